// The certificates of all listeners with TLS: loaded at the start, again at a reload and when files
// change. One thread calls, but for what of() gave, which any thread may use.
#pragma once

#include "base/config.h"
#include "base/result.h"
#include "certs/server_certificates.h"

#include <map>
#include <memory>
#include <string>

namespace postern::proxy {

class ListenerCertificates {
 public:
  // Of every listener with TLS; the development certificate, where one has none of its own. What
  // cannot be loaded leaves everything as it was: the error names listener and file.
  [[nodiscard]] Result<void> load(const Config& config);
  // Once a second: files that changed.
  void look();
  // Null where that listener has no TLS.
  [[nodiscard]] std::shared_ptr<const certs::ServerCertificates> of(
      const ListenerConfig& listener) const;

 private:
  struct Loaded {
    std::vector<CertificateFiles> files;
    std::shared_ptr<certs::ServerCertificates> certificates;
  };
  std::map<std::string, Loaded> loaded_;  // by the listener's name
};

}  // namespace postern::proxy
