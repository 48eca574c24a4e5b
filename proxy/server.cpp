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

// Fails where the authorities of an upstream cannot be read.
Result<std::shared_ptr<const WorkerSettings>> worker_settings(const Config& config,
                                                              std::size_t threads,
                                                              metrics::Registry* registry) {
  auto upstream = connector_settings(config.upstream, config.hostname, config.timeouts);
  if (!upstream) return std::unexpected(std::move(upstream).error());
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
  for (const auto& listener : config.listeners) {
    const bool takes_returns = listener.role == ListenerConfig::Role::return_path;
    settings->listeners.push_back(std::make_shared<const SessionSettings>(
        SessionSettings{.hostname = config.hostname,
                        .timeouts = config.timeouts,
                        .limits = config.limits,
                        .trusted = listener.trusted,
                        .received_header = listener.received_header,
                        .streams = streams,
                        .listener = listener.name,
                        .links_url = config.unsubscribe.url,
                        .campaign_header = config.campaign_header,
                        .split_connections = config.upstream.split_connections,
                        .counts = counts,
                        .return_mail = takes_returns ? return_mail : nullptr,
                        .returns = takes_returns ? nullptr : returns}));
  }
  settings->upstream = *std::move(upstream);
  settings->pool = {.connections = std::max<std::size_t>(1, config.upstream.connections / threads),
                    .idle_close = config.upstream.idle_close,
                    .patience = config.timeouts.pool};
  return settings;
}

// The new tables for the sockets that are open, found by their addresses: never by their place in
// the file, or one socket would get the trust of another. A socket whose table is gone keeps what
// it had. False where the file wants sockets that only a restart can open or close.
bool keep_sockets(const Config& before, Config& now) {
  const auto wanted = std::exchange(now.listeners, before.listeners);
  bool same = wanted.size() == before.listeners.size();
  for (auto& listener : now.listeners) {
    const auto found = std::ranges::find(wanted, listener.address, &ListenerConfig::address);
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

// What is configured and not served yet; empty: nothing.
std::string unserved(const Config& config) {
  const ListenerConfig plain;
  for (const auto& listener : config.listeners) {
    const auto miss = [&](std::string_view key) {
      return fmt::format("listener {}: {} is not served yet", listener.name, key);
    };
    if (listener.role == ListenerConfig::Role::policy) return miss("role \"policy\"");
    if (listener.tls != plain.tls) return miss("tls");
    if (listener.auth != plain.auth) return miss("auth");
    if (!listener.proxy_protocol.empty()) return miss("proxy_protocol");
    if (!listener.xforward.empty()) return miss("xforward");
    if (listener.bare_lf != plain.bare_lf) return miss("bare_lf");
    if (listener.limits != plain.limits) return miss("limits");
  }
  if (config.upstream.xclient) return "upstream: xclient is not served yet";
  if (!config.routes.empty()) return "[[route]] is not served yet";
  if (!config.user.empty()) return "user is not served yet";
  return {};
}

}  // namespace

Server::Server(const Config& config, Hooks hooks)
    : config_(config),
      hooks_(std::move(hooks)),
      signals_(context_, SIGTERM, SIGINT, SIGHUP),
      clock_(context_),
      grace_(context_) {
  count_.limit = config.limits.connections;
}

Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::create(const Config& config, Hooks hooks) {
  if (const auto text = unserved(config); !text.empty()) return fail(Errc::unsupported, text);
  std::unique_ptr<Server> server(new Server(config, std::move(hooks)));
  std::vector<tcp::endpoint> addresses;
  const bool can_take_returns =
      server->hooks_.shared.returns != nullptr && server->hooks_.shared.contexts != nullptr;
  for (const auto& listener : config.listeners) {
    if (listener.role == ListenerConfig::Role::return_path && !can_take_returns) {
      return fail(Errc::unsupported,
                  fmt::format("listener {}: nobody here reads return mail", listener.name));
    }
    const auto address = claim_address(listener.address);
    if (!address) return std::unexpected(address.error());
    const auto other =
        std::ranges::find_if(addresses, [&](const auto& had) { return overlap(had, *address); });
    if (other != addresses.end()) {
      return fail(
          Errc::busy,
          fmt::format(
              "listeners on {} and {} would share connections: give each an address or port "
              "of its own",
              to_string(*other), to_string(*address)));
    }
    addresses.push_back(*address);
    server->listening_.push_back(
        fmt::format("listening on {} ({})", to_string(*address), listener.name));
  }
  const auto threads = thread_count(config);
  const auto settings = worker_settings(config, threads, server->hooks_.shared.metrics);
  if (!settings) return std::unexpected(settings.error());
  if (auto* registry = server->hooks_.shared.metrics) {
    auto& sessions = registry->gauge("postern_sessions", "Sessions of clients that are open.");
    registry->before_scrape([&sessions, &count = server->count_] { sessions.set(count.open); });
  }
  for (std::uint32_t index = 0; index < threads; ++index) {
    auto worker = std::make_unique<Worker>(index, *settings, server->hooks_.reader(),
                                           server->hooks_.shared, server->count_);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      if (auto listening = worker->listen(i, addresses[i]); !listening)
        return std::unexpected(listening.error());
    }
    server->workers_.push_back(std::move(worker));
  }
  return server;
}

void Server::run() {
  const auto unexpected = [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  };
  asio::co_spawn(context_, handle_signals(), unexpected);
  asio::co_spawn(context_, tick(), unexpected);
  running_ = workers_.size();
  for (const auto& worker : workers_) {
    worker->start([this] {
      asio::post(context_, [this] {
        if (--running_ == 0) context_.stop();
      });
    });
  }
  context_.run();
  workers_.clear();
}

awaitable<void> Server::handle_signals() {
  for (;;) {
    const auto [error, signal] = co_await signals_.async_wait(as_values);
    if (error) co_return;
    if (signal == SIGHUP) {
      reload();
    } else if (!std::exchange(draining_, true)) {
      begin_drain();
    } else {
      for (const auto& worker : workers_) worker->give_up();
    }
  }
}

void Server::begin_drain() {
  log::info("draining: no new sessions, transactions past DATA finish");
  for (const auto& worker : workers_) worker->drain();
  grace_.expires_after(config_.timeouts.drain);
  grace_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    log::warning("draining took too long: what still waits is cut short");
    for (const auto& worker : workers_) worker->give_up();
  });
}

void Server::reload() {
  if (draining_) return;
  auto config = hooks_.reload();
  if (!config) return;
  if (!keep_sockets(config_, *config) || config_.threads != config->threads) {
    log::warning(
        "listeners and threads come and go with a restart only; the rest of the configuration is "
        "in use");
  }
  const auto settings = worker_settings(*config, workers_.size(), hooks_.shared.metrics);
  if (!settings) {
    log::error(settings.error().text + "; the configuration stays the one that was in use");
    return;
  }
  config_ = *std::move(config);
  count_.limit = config_.limits.connections;
  for (const auto& worker : workers_) worker->reload(*settings);
  log::info("configuration read anew: new sessions use it");
}

awaitable<void> Server::tick() {
  for (;;) {
    clock_.expires_after(std::chrono::seconds(1));
    const auto [error] = co_await clock_.async_wait(as_values);
    if (error) co_return;
    hooks_.every_second();
  }
}

}  // namespace postern::proxy
