#include "proxy/server.h"

#include "base/log.h"
#include "proxy/listener.h"

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace postern::proxy {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;

namespace {

constexpr auto as_values = asio::as_tuple(asio::use_awaitable);

// No more than there may be upstream connections: each thread has its own pool.
std::uint32_t thread_count(const Config& config) {
  const auto wanted =
      config.threads != 0 ? config.threads : std::max(1U, std::thread::hardware_concurrency());
  return std::min(wanted, config.upstream.connections);
}

Pool::Settings pool_settings(const Config& config, const UpstreamConfig& upstream,
                             std::size_t threads) {
  return {
      .connections = std::max<std::size_t>(1, upstream.connections / threads),
      .idle_close = upstream.idle_close,
      .patience = config.timeouts.pool,
      .xclient = upstream.xclient,
      .local = is_loopback(upstream.address) && std::ranges::all_of(upstream.fallback, is_loopback),
      .name = to_string(upstream.address)};
}

// What of a listener's own is narrower than what holds for all.
LimitConfig limits_of(LimitConfig limits, const ListenerLimits& own) {
  if (own.recipients != 0) limits.recipients = std::min(limits.recipients, own.recipients);
  if (own.errors != 0) limits.errors = std::min(limits.errors, own.errors);
  return limits;
}

// A flood of return mail leaves room for whoever else is served.
ListenerLimits listener_limits(const Config& config, const ListenerConfig& listener) {
  auto limits = listener.limits;
  if (listener.role == ListenerConfig::Role::return_path && limits.connections == 0) {
    limits.connections = std::max(1U, config.limits.connections / 4);
  }
  return limits;
}

// Fails where the authorities of an upstream cannot be read.
Result<WorkerSettings::Upstream> upstream_settings(const Config& config,
                                                   const UpstreamConfig& upstream,
                                                   Routes::Rule rule, std::size_t threads) {
  auto connector = connector_settings(upstream, config.hostname, config.timeouts);
  if (!connector) return std::unexpected(std::move(connector).error());
  return WorkerSettings::Upstream{.rule = std::move(rule),
                                  .connector = *std::move(connector),
                                  .pool = pool_settings(config, upstream, threads)};
}

Result<std::vector<WorkerSettings::Upstream>> upstreams_of(const Config& config,
                                                           std::size_t threads) {
  std::vector<WorkerSettings::Upstream> upstreams;
  for (const auto& route : config.routes) {
    auto made = upstream_settings(config, route.upstream,
                                  {.sender = route.sender, .login = route.login}, threads);
    if (!made) return std::unexpected(std::move(made).error());
    upstreams.push_back(*std::move(made));
  }
  auto last = upstream_settings(config, config.upstream, {}, threads);
  if (!last) return std::unexpected(std::move(last).error());
  upstreams.push_back(*std::move(last));
  return upstreams;
}

Result<std::shared_ptr<const WorkerSettings>> worker_settings(
    const Config& config, const ListenerCertificates& certificates, std::size_t threads,
    metrics::Registry* registry) {
  auto upstreams = upstreams_of(config, threads);
  if (!upstreams) return std::unexpected(std::move(upstreams).error());
  auto settings = std::make_shared<WorkerSettings>();
  const auto streams = std::make_shared<const policy::Streams>(config.streams);
  std::shared_ptr<const Counts> counts;
  if (registry != nullptr) counts = std::make_shared<const Counts>(*registry, *streams);
  const auto& return_path = config.return_path;
  const auto return_mail = std::make_shared<const ReturnSettings>(
      ReturnSettings{.domain = {.domain = return_path.domain,
                                .complaints = return_path.complaints,
                                .valid_for = return_path.valid_for,
                                .any_mailbox = return_path.mailbox_evidence},
                     .forward = return_path.forward});
  std::shared_ptr<const ReturnRules> returns;
  if (!config.return_path.domain.empty()) {
    returns = std::make_shared<const ReturnRules>(config.return_path);
  }
  for (std::size_t place = 0; place < config.listeners.size(); ++place) {
    const auto& listener = config.listeners[place];
    const bool takes_returns = listener.role == ListenerConfig::Role::return_path;
    settings->listeners.push_back(std::make_shared<const SessionSettings>(
        SessionSettings{.role = listener.role,
                        .hostname = config.hostname,
                        .timeouts = config.timeouts,
                        .limits = limits_of(config.limits, listener.limits),
                        // Who may reach a Unix socket, its mode says.
                        .trusted = listener.socket.empty() ? listener.trusted : loopback_networks(),
                        .received_header = listener.received_header,
                        .streams = streams,
                        .listener = listener.name,
                        .links_url = config.unsubscribe.url,
                        .campaign_header = config.campaign_header,
                        .split_connections = config.upstream.split_connections,
                        .counts = counts,
                        .return_mail = takes_returns ? return_mail : nullptr,
                        .returns = takes_returns ? nullptr : returns,
                        .tls = {.mode = listener.tls, .certificates = certificates.of(place)},
                        .auth = listener.auth == ListenerConfig::Auth::passthrough,
                        .xforward = listener.xforward,
                        .listener_limits = listener_limits(config, listener),
                        .proxy_protocol = listener.proxy_protocol,
                        .normalize_lines = listener.bare_lf == ListenerConfig::BareLf::normalize}));
  }
  settings->upstreams = *std::move(upstreams);
  settings->relays = std::ranges::any_of(config.listeners, [](const auto& listener) {
    return listener.role != ListenerConfig::Role::policy;
  });
  return settings;
}

// The new tables for the sockets that are open, found by their addresses: never by their place in
// the file, or one socket would get the trust of another. A socket whose table is gone keeps what
// it had. False where the file wants sockets that only a restart can open or close.
bool keep_sockets(const Config& before, Config& now) {
  const auto wanted = std::exchange(now.listeners, before.listeners);
  bool same = wanted.size() == before.listeners.size();
  for (auto& listener : now.listeners) {
    const auto found = std::ranges::find_if(wanted, [&](const auto& other) {
      return other.socket == listener.socket && other.address == listener.address;
    });
    if (found == wanted.end()) {
      same = false;
    } else {
      listener = *found;
    }
  }
  return same;
}

bool overlap(const tcp::endpoint& a, const tcp::endpoint& b) {
  if (a.port() != b.port() || a.protocol() != b.protocol()) return false;
  return a.address() == b.address() || a.address().is_unspecified() || b.address().is_unspecified();
}

}  // namespace

Server::Server(const Config& config, Hooks hooks)
    : config_(config),
      hooks_(std::move(hooks)),
      signals_(context_, SIGTERM, SIGINT, SIGHUP),
      clock_(context_),
      grace_(context_) {
  count_.limit = config.limits.connections;
  hooks_.shared.clients = &clients_;
  if (hooks_.shared.ledger != nullptr) hooks_.shared.partial = &partial_;
  hooks_.shared.return_mail_room = &return_mail_room_;
  hooks_.shared.warnings = &warnings_;
}

Server::~Server() = default;

// One that every thread listens on: an address that each binds, or a descriptor that each
// duplicates: of a Unix socket, or one that was passed and is closed when every thread has its own.
struct Server::Socket {
  std::size_t listener = 0;
  tcp::endpoint address;
  int descriptor = -1;
  bool passed = false;

  Socket(std::size_t the_listener, tcp::endpoint where) : listener(the_listener), address(where) {}
  Socket(std::size_t the_listener, int open, bool was_passed)
      : listener(the_listener), descriptor(open), passed(was_passed) {}
  ~Socket() {
    if (passed && descriptor >= 0) ::close(descriptor);
  }
  Socket(Socket&& other) noexcept
      : listener(other.listener),
        address(other.address),
        descriptor(std::exchange(other.descriptor, -1)),
        passed(other.passed) {}
  Socket& operator=(Socket&&) = delete;
};

// False where none was passed for this listener.
Result<bool> Server::take_passed(std::size_t listener, std::vector<Socket>& sockets) {
  if (hooks_.passed == nullptr) return false;
  const auto& name = config_.listeners[listener].name;
  const auto passed = hooks_.passed->take(name);
  for (const int descriptor : passed) {
    sockets.emplace_back(listener, descriptor, true);
    const auto address = passed_address(descriptor);
    if (!address) {
      return fail(address.error().code, fmt::format("the socket that systemd passes as {} {}", name,
                                                    address.error().text));
    }
    listening_.push_back(
        fmt::format("listening on {} ({}, from systemd)", to_string(*address), name));
  }
  return !passed.empty();
}

// One that no listener before it has. Of port 0 the kernel may give one that it gave to us a moment
// ago: a port is only ours once its sockets are open.
Result<tcp::endpoint> Server::claim_own_address(const Endpoint& wanted,
                                                const std::vector<Socket>& sockets) {
  constexpr int most_tries = 100;
  for (int tries = 1;; ++tries) {
    auto address = claim_address(wanted);
    if (!address) return address;
    const auto other = std::ranges::find_if(sockets, [&](const auto& had) {
      return had.descriptor < 0 && overlap(had.address, *address);
    });
    if (other == sockets.end()) return address;
    if (wanted.port == 0 && tries < most_tries) continue;
    return fail(Errc::busy,
                fmt::format("listeners on {} and {} would share connections: give each an address "
                            "or port of its own",
                            to_string(other->address), to_string(*address)));
  }
}

Result<std::vector<Server::Socket>> Server::open_sockets() {
  std::vector<Socket> sockets;
  for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
    const auto passed = take_passed(i, sockets);
    if (!passed) return std::unexpected(passed.error());
    if (*passed) continue;
    const auto& listener = config_.listeners[i];
    if (!listener.socket.empty()) {
      auto socket = UnixSocket::listen(listener.socket);
      if (!socket) return std::unexpected(std::move(socket).error());
      sockets.emplace_back(i, socket->descriptor(), false);
      unix_sockets_.push_back(*std::move(socket));
      listening_.push_back(
          fmt::format("listening on unix:{} ({})", listener.socket.string(), listener.name));
      continue;
    }
    const auto address = claim_own_address(listener.address, sockets);
    if (!address) return std::unexpected(address.error());
    sockets.emplace_back(i, *address);
    listening_.push_back(fmt::format("listening on {} ({})", to_string(*address), listener.name));
  }
  return sockets;
}

Result<void> Server::add_worker(std::shared_ptr<const WorkerSettings> settings,
                                const std::vector<Socket>& sockets) {
  auto worker =
      std::make_unique<Worker>(static_cast<std::uint32_t>(workers_.size()), std::move(settings),
                               hooks_.reader(), hooks_.shared, count_);
  for (const auto& socket : sockets) {
    auto listening = socket.descriptor >= 0 ? worker->adopt(socket.listener, socket.descriptor)
                                            : worker->listen(socket.listener, socket.address);
    if (!listening) return listening;
  }
  workers_.push_back(std::move(worker));
  return {};
}

Result<std::unique_ptr<Server>> Server::create(const Config& config, Hooks hooks) {
  std::unique_ptr<Server> server(new Server(config, std::move(hooks)));
  const auto& shared = server->hooks_.shared;
  const bool can_take_returns = shared.returns != nullptr && shared.contexts != nullptr;
  for (const auto& listener : config.listeners) {
    if (listener.role == ListenerConfig::Role::return_path && !can_take_returns) {
      return fail(Errc::unsupported,
                  fmt::format("listener {}: nobody here reads return mail", listener.name));
    }
  }
  auto certificates = ListenerCertificates::load(config, {});
  if (!certificates) return std::unexpected(certificates.error());
  server->certificates_ = *std::move(certificates);
  const auto sockets = server->open_sockets();
  if (!sockets) return std::unexpected(sockets.error());
  const auto threads = thread_count(config);
  const auto settings = worker_settings(config, server->certificates_, threads, shared.metrics);
  if (!settings) return std::unexpected(settings.error());
  if (auto* registry = shared.metrics) {
    auto& sessions = registry->gauge("postern_sessions", "Sessions of clients that are open.");
    registry->before_scrape([&sessions, &count = server->count_] { sessions.set(count.open); });
  }
  for (std::uint32_t index = 0; index < threads; ++index) {
    if (auto added = server->add_worker(*settings, *sockets); !added) {
      return std::unexpected(std::move(added).error());
    }
  }
  for (auto& socket : server->unix_sockets_) socket.hand_over();
  return server;
}

void Server::enter(Phase phase) {
  if (hooks_.phase) hooks_.phase(phase);
}

void Server::run() {
  const auto unexpected = [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  };
  asio::co_spawn(context_, handle_signals(), unexpected);
  asio::co_spawn(context_, tick(), unexpected);
  running_ = workers_.size();
  if (hooks_.shared.ledger != nullptr) {
    partial_.know_all(hooks_.shared.ledger->last_until(current_time()));
  }
  for (const auto& worker : workers_) {
    worker->start([this] {
      asio::post(context_, [this] {
        if (--running_ == 0) context_.stop();
      });
    });
  }
  enter(Phase::serving);
  context_.run();
  workers_.clear();
}

awaitable<void> Server::handle_signals() {
  for (;;) {
    const auto [error, signal] = co_await signals_.async_wait(as_values);
    if (error) co_return;
    if (signal == SIGHUP) {
      if (draining_) continue;
      enter(Phase::reloading);
      reload();
      enter(Phase::serving);
    } else if (!std::exchange(draining_, true)) {
      begin_drain();
    } else {
      for (const auto& worker : workers_) worker->give_up();
    }
  }
}

void Server::begin_drain() {
  enter(Phase::draining);
  log::info("draining: no new sessions, transactions past DATA finish");
  for (const auto& worker : workers_) worker->drain();
  grace_.expires_after(config_.timeouts.drain);
  grace_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    log::warning("draining took too long: what still waits is cut short");
    for (const auto& worker : workers_) worker->give_up();
  });
}

// All of it or nothing: what can fail comes first.
void Server::reload() {
  auto read = hooks_.reload();
  if (!read) return;
  auto& config = read->config;
  const bool same = keep_sockets(config_, config) && config_.threads == config.threads;
  const auto refused = [](const Error& error) {
    log::error(error.text + "; the configuration stays as it was");
  };
  auto certificates = ListenerCertificates::load(config, certificates_);
  if (!certificates) return refused(certificates.error());
  const auto settings =
      worker_settings(config, *certificates, workers_.size(), hooks_.shared.metrics);
  if (!settings) return refused(settings.error());
  certificates_.become(*std::move(certificates));
  config_ = std::move(config);
  count_.limit = config_.limits.connections;
  if (read->apply) read->apply();
  for (const auto& worker : workers_) worker->reload(*settings);
  if (!same) {
    log::warning(
        "listeners and threads come and go with a restart only; the rest of the configuration is "
        "in use");
  }
  log::info("configuration read anew: new sessions use it");
}

awaitable<void> Server::tick() {
  for (;;) {
    clock_.expires_after(std::chrono::seconds(1));
    const auto [error] = co_await clock_.async_wait(as_values);
    if (error) co_return;
    certificates_.look();
    warnings_.look(std::chrono::steady_clock::now());
    auto oldest = std::chrono::steady_clock::time_point::max();
    for (const auto& worker : workers_) oldest = std::min(oldest, worker->last_tick());
    hooks_.every_second(oldest);
  }
}

}  // namespace postern::proxy
