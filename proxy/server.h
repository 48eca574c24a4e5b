// The gate as a whole: threads, listeners, signals, draining. Blocks the thread that runs it until
// the last session ended.
#pragma once

#include "base/config.h"
#include "base/passed_sockets.h"
#include "base/repeated_warnings.h"
#include "base/result.h"
#include "policy/contacts.h"
#include "policy/traffic.h"
#include "proxy/client_table.h"
#include "proxy/listener_certificates.h"
#include "proxy/room.h"
#include "proxy/unix_socket.h"
#include "proxy/worker.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>

namespace postern::proxy {

class Server {
 public:
  // Serving: at first, and after each reload.
  enum class Phase : std::uint8_t { serving, reloading, draining };
  // A configuration that was read anew and found good, as far as the caller can tell.
  struct Reload {
    Config config;
    // Called where the server can use it, too: what of it is the caller's is in use from then on.
    // May be empty.
    std::function<void()> apply{};
  };
  struct Hooks {
    // A reader of contacts for one thread. Called before the threads start.
    std::function<std::unique_ptr<policy::ContactReader>()> reader;
    // SIGHUP: the configuration read anew, or nullopt (and the reason logged) to go on with the old
    // one.
    std::function<std::optional<Reload>()> reload;
    // Once a second, on the thread that runs the server. Of the threads' last ticks, which come
    // every second too, the one that is longest ago.
    std::function<void(std::chrono::steady_clock::time_point oldest_tick)> every_second;
    // What the server comes to, on the thread that runs it; may be empty.
    std::function<void(Phase)> phase{};
    // Sockets by the names of listeners, used instead of binding; null: none.
    PassedSockets* passed = nullptr;
    // Of the store, for every thread; all of it outlives the server. Metrics are read no more once
    // run() has ended.
    SharedParts shared{};
  };

  // Binds every listener. Errc::busy for a port or socket in use, Errc::invalid for a passed socket
  // that is not a listener's, Errc::exists, Errc::io. No thread starts before run().
  [[nodiscard]] static Result<std::unique_ptr<Server>> create(const Config& config, Hooks hooks);
  ~Server();

  // What to print: "listening on 127.0.0.1:2525 (relay)", "listening on
  // unix:/run/postern/policy.sock (policy)", one for each socket; "(relay, from systemd)" for one
  // that was passed.
  [[nodiscard]] const std::vector<std::string>& listening() const { return listening_; }

  // Until SIGTERM or SIGINT, and then until the sessions past DATA have ended or `timeouts.drain`
  // is over. A second signal ends it at once.
  void run();

 private:
  struct Socket;
  Server(const Config& config, Hooks hooks);
  [[nodiscard]] Result<std::vector<Socket>> open_sockets();
  [[nodiscard]] static Result<boost::asio::ip::tcp::endpoint> claim_own_address(
      const Endpoint& wanted, const std::vector<Socket>& sockets);
  [[nodiscard]] Result<bool> take_passed(std::size_t listener, std::vector<Socket>& sockets);
  [[nodiscard]] Result<void> add_worker(std::shared_ptr<const WorkerSettings> settings,
                                        const std::vector<Socket>& sockets);
  void enter(Phase phase);
  [[nodiscard]] boost::asio::awaitable<void> handle_signals();
  [[nodiscard]] boost::asio::awaitable<void> tick();
  void begin_drain();
  void reload();

  Config config_;
  Hooks hooks_;
  ListenerCertificates certificates_;
  SessionCount count_;
  ClientTable clients_;
  PartialDeliveries partial_;
  RepeatedWarnings warnings_;
  Room return_mail_room_{1ULL << 30U};  // a stranger's mail waits there until it is passed on
  boost::asio::io_context context_{1};
  boost::asio::signal_set signals_;  // from the start: a signal before run() waits for it
  boost::asio::steady_timer clock_;
  boost::asio::steady_timer grace_;
  std::vector<std::string> listening_;
  std::vector<UnixSocket> unix_sockets_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::size_t running_ = 0;
  bool draining_ = false;
};

}  // namespace postern::proxy
