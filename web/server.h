// The HTTP servers: [web] for everybody, [admin] for the operator, on one thread of their own, so
// that no request is in the way of mail. HTTP/1.1, keep-alive; every size, number and wait is
// limited.
#pragma once

#include "base/config.h"
#include "base/metrics.h"
#include "base/passed_sockets.h"
#include "base/result.h"
#include "policy/contacts.h"
#include "policy/opt_outs.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace postern::web {

struct SiteSettings;

class Server {
 public:
  struct Parts {
    policy::OptOuts& opt_outs;  // outlives the thread: until stop()
    std::function<std::unique_ptr<policy::ContactReader>()> reader;
    metrics::Registry& metrics;
    // Sockets by the names "web" and "admin", used instead of binding; null: none.
    PassedSockets* passed = nullptr;
    // A store whose writer is kept waiting (a compaction) is answered for with 503 after this.
    std::chrono::milliseconds answer_time{std::chrono::seconds{10}};
  };
  // Binds the addresses that the configuration has, loads the certificate and the logo. Nothing is
  // answered before start(). Errc::busy for a port in use; otherwise as certs::Certificate::load()
  // and site_settings().
  [[nodiscard]] static Result<std::unique_ptr<Server>> create(const Config& config,
                                                              const Parts& parts);
  ~Server();

  // "listening on 127.0.0.1:8525 (web)", one for each address; "(web, from systemd)" for a socket
  // that was passed.
  [[nodiscard]] const std::vector<std::string>& listening() const;
  void start();
  // From another thread: the new configuration and its pages for new requests, and the
  // certificate's files anew. Addresses stay; so does a certificate whose files are unfit now, and
  // the log says so.
  void reload(const Config& config, std::shared_ptr<const SiteSettings> pages);
  // Accepts no more, lets requests under way finish within some seconds, ends the thread. Called by
  // the destructor too.
  void stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace postern::web
