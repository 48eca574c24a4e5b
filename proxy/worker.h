// One thread of the gate: its io_context, its acceptors, its sessions, its pool of upstream
// connections, its reader of the store. Nothing of it is touched by another thread but through
// post().
#pragma once

#include "policy/contacts.h"
#include "proxy/connector.h"
#include "proxy/deadlines.h"
#include "proxy/listener.h"
#include "proxy/routes.h"
#include "proxy/session.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace postern::proxy {

// What a worker is configured with; immutable, replaced as a whole by a reload.
struct WorkerSettings {
  struct Upstream {
    Routes::Rule rule;
    ConnectorSettings connector;
    Pool::Settings pool;  // of one worker
  };
  std::vector<std::shared_ptr<const SessionSettings>> listeners;  // in the configuration's order
  std::vector<Upstream> upstreams;  // the last one takes what no other does
  bool relays = true;  // some listener does: else nobody looks what the upstreams offer
};

// Sessions of the whole gate, against the limit of connections.
struct SessionCount {
  std::atomic<std::uint32_t> open = 0;
  std::atomic<std::uint32_t> limit = 0;
};

// What the threads share, of the store: from any of them; outlives them.
struct SharedParts {
  policy::TrafficLog* traffic = nullptr;  // null: nobody keeps what was let through and refused
  policy::Ledger* ledger = nullptr;       // null: a retry sends every copy again
  LinkKeySource link_keys{};              // empty: no links
  policy::ReturnContexts* contexts = nullptr;  // null: envelope senders stay as they are
  policy::Returns* returns = nullptr;          // null: nobody reads return mail
  metrics::Registry* metrics = nullptr;        // null: nothing is counted
  // The server's own, whatever is given.
  ClientTable* clients = nullptr;
  PartialDeliveries* partial = nullptr;
  Room* return_mail_room = nullptr;
  RepeatedWarnings* warnings = nullptr;
};

class Worker {
 public:
  Worker(std::uint32_t index, std::shared_ptr<const WorkerSettings> settings,
         std::unique_ptr<policy::ContactReader> contacts, const SharedParts& shared,
         SessionCount& count);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before start(): an acceptor for the listener of that index.
  [[nodiscard]] Result<void> listen(std::size_t listener,
                                    const boost::asio::ip::tcp::endpoint& address);
  // The same, on a duplicate of a descriptor that listens; may be called again for the next.
  [[nodiscard]] Result<void> adopt(std::size_t listener, int descriptor);
  // `finished` is called at the thread's end, on it.
  void start(std::function<void()> finished);

  // From any thread.
  void reload(std::shared_ptr<const WorkerSettings> settings);
  void drain();    // no new sessions; the thread ends with the last one
  void give_up();  // whatever still waits is cut short
  // When it last did what it does every second; far in the future once it has ended.
  [[nodiscard]] std::chrono::steady_clock::time_point last_tick() const {
    return last_tick_.load(std::memory_order_relaxed);
  }

 private:
  // What sessions of one configuration share; lives as long as the last of them.
  struct Generation {
    // Of one upstream, in the order of the settings.
    struct Lesson {
      bool under_way = false;
      std::chrono::steady_clock::time_point next{};
      std::chrono::seconds pause{1};
    };
    std::shared_ptr<const WorkerSettings> settings;
    std::deque<Connector> connectors{};  // of the routes, which go before them
    Routes routes{};
    std::vector<Lesson> lessons{};
    std::size_t lessons_ended = 0;
  };

  [[nodiscard]] std::shared_ptr<Generation> make_generation(
      std::shared_ptr<const WorkerSettings> settings);
  void assume_known(Generation& generation, Generation& before);
  [[nodiscard]] boost::asio::awaitable<void> accept(std::size_t listener);
  [[nodiscard]] boost::asio::awaitable<void> serve(std::size_t listener,
                                                   std::unique_ptr<Stream> client, IpAddress peer);
  [[nodiscard]] std::unique_ptr<Served> make_session(
      Generation& generation, std::size_t listener,
      const std::shared_ptr<const SessionSettings>& settings, std::unique_ptr<Stream> client,
      IpAddress address);
  [[nodiscard]] boost::asio::awaitable<std::optional<IpAddress>> client_of(
      Stream& client, IpAddress peer, const SessionSettings& settings);
  [[nodiscard]] boost::asio::awaitable<std::optional<ClientTable::Place>> admit(
      std::size_t listener, Stream& client, IpAddress address, const SessionSettings& settings);
  [[nodiscard]] boost::asio::awaitable<void> learn(std::shared_ptr<Generation> generation,
                                                   std::size_t upstream);
  void warn_of_auth(const Generation& generation, std::size_t upstream, const Lease& lease);
  void learn_all(const std::shared_ptr<Generation>& generation);
  void look_after(const std::shared_ptr<Generation>& generation,
                  std::chrono::steady_clock::time_point now);
  [[nodiscard]] boost::asio::awaitable<void> tick();
  void spawn(boost::asio::awaitable<void> work, const char* what);
  void end_if_idle();

  const std::uint32_t index_;
  SessionCount& count_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::vector<char> buffer_;
  Deadlines deadlines_;
  FailedAddresses failed_;
  std::unique_ptr<policy::ContactReader> contacts_;
  policy::Findings findings_;
  const SharedParts& shared_;
  std::vector<std::shared_ptr<Generation>> generations_;  // the last one is current
  struct Door {
    std::size_t listener;
    Acceptor acceptor;
  };
  std::vector<Door> doors_;
  std::unordered_set<Served*> sessions_;
  boost::asio::steady_timer clock_;
  boost::asio::steady_timer first_lesson_;
  std::atomic<std::chrono::steady_clock::time_point> last_tick_{};
  std::uint64_t next_session_ = 0;
  std::uint32_t active_ = 0;  // coroutines that were spawned and have not ended
  bool draining_ = false;
  bool giving_up_ = false;
  std::thread thread_;
};

}  // namespace postern::proxy
