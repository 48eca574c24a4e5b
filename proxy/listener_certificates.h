// The certificates of all listeners with TLS: loaded at the start, again at a reload and when files
// change. One thread calls, but for what of() gave, which any thread may use.
#pragma once

#include "base/config.h"
#include "base/result.h"
#include "certs/server_certificates.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace postern::proxy {

class ListenerCertificates {
 public:
  // Of every listener with TLS; the development certificate, where one has none of its own. A
  // listener whose files are those that the one at its place had in `before` shares what that has,
  // so that its clients' sessions go on. The error names listener and file.
  [[nodiscard]] static Result<ListenerCertificates> load(const Config& config,
                                                         const ListenerCertificates& before);
  // What comes of a reload is in use from here on; files that stay are read again.
  void become(ListenerCertificates now);
  // Once a second: files that changed.
  void look();
  // Of the listener at that place of the configuration; null where it has no TLS.
  [[nodiscard]] std::shared_ptr<const certs::ServerCertificates> of(std::size_t listener) const;

 private:
  // By its place: names may change hands at a reload, sockets do not.
  struct Loaded {
    std::vector<CertificateFiles> files;
    std::shared_ptr<certs::ServerCertificates> certificates;  // null: no TLS
  };
  [[nodiscard]] const Loaded* at(std::size_t listener) const;

  std::vector<Loaded> loaded_;
};

}  // namespace postern::proxy
