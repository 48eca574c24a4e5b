#include "proxy/worker.h"

#include "base/log.h"
#include "base/log_batch.h"
#include "base/time.h"
#include "proxy/counts.h"
#include "proxy/policy_session.h"
#include "proxy/proxy_reader.h"
#include "proxy/return_session.h"
#include "proxy/wire/reply.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace postern::proxy {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto as_values = asio::as_tuple(asio::use_awaitable);
// For big bodies 16 KiB costs 1.4 times as much.
constexpr std::size_t buffer_size = 256UL * 1024;
// How long clients wait at the start for what the upstream offers.
constexpr std::chrono::seconds first_lesson_limit{2};
constexpr std::chrono::seconds longest_pause{30};
// All of it comes with the connection's first packet, or something is wrong.
constexpr std::chrono::seconds longest_proxy_header{10};

// Not where a word of SMTP in clear is no answer.
awaitable<void> send_away(Stream& client, const SessionSettings& settings,
                          std::string_view enhanced_status_code, std::string_view text) {
  const bool speaks_smtp = settings.role != ListenerConfig::Role::policy &&
                           settings.tls.mode != ListenerConfig::Tls::implicit;
  if (!speaks_smtp) co_return;
  const auto reply = wire::make_reply(421, enhanced_status_code, text);
  static_cast<void>(co_await write_all(client, reply.text, std::chrono::seconds(1)));
}

}  // namespace

Worker::Worker(std::uint32_t index, std::shared_ptr<const WorkerSettings> settings,
               std::unique_ptr<policy::ContactReader> contacts, const SharedParts& shared,
               SessionCount& count)
    : index_(index),
      count_(count),
      work_(asio::make_work_guard(context_)),
      buffer_(buffer_size),
      contacts_(std::move(contacts)),
      shared_(shared),
      clock_(context_),
      first_lesson_(context_, first_lesson_limit) {
  generations_.push_back(make_generation(std::move(settings)));
}

Worker::~Worker() {
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<Worker::Generation> Worker::make_generation(
    std::shared_ptr<const WorkerSettings> settings) {
  auto generation = std::make_shared<Generation>(Generation{.settings = std::move(settings)});
  for (const auto& upstream : generation->settings->upstreams) {
    generation->lessons.emplace_back();
    auto& connector = generation->connectors.emplace_back(upstream.connector, deadlines_, failed_);
    generation->routes.add(upstream.rule, context_.get_executor(), upstream.pool,
                           [&connector] { return connector.connect(); });
  }
  return generation;
}

// Until they were reached: what the configuration before had learnt of the same upstreams.
void Worker::assume_known(Generation& generation, Generation& before) {
  const auto& had = before.settings->upstreams;
  for (std::size_t i = 0; i < generation.settings->upstreams.size(); ++i) {
    const auto& endpoints = generation.settings->upstreams[i].connector.endpoints;
    const auto same = std::ranges::find_if(
        had, [&](const auto& upstream) { return upstream.connector.endpoints == endpoints; });
    if (same == had.end()) continue;
    const auto place = static_cast<std::size_t>(same - had.begin());
    generation.routes.all()[i].pool.assume(before.routes.all()[place].pool.offered());
  }
}

Result<void> Worker::listen(std::size_t listener, const tcp::endpoint& address) {
  auto acceptor = open_acceptor(context_, address);
  if (!acceptor) return std::unexpected(std::move(acceptor).error());
  doors_.push_back({listener, *std::move(acceptor)});
  return {};
}

Result<void> Worker::adopt(std::size_t listener, int descriptor) {
  auto acceptor = adopt_acceptor(context_, descriptor);
  if (!acceptor) return std::unexpected(std::move(acceptor).error());
  doors_.push_back({listener, *std::move(acceptor)});
  return {};
}

void Worker::spawn(awaitable<void> work, const char* what) {
  ++active_;
  asio::co_spawn(context_, std::move(work), [this, what](const std::exception_ptr& failure) {
    --active_;
    end_if_idle();
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      log::error(fmt::format("{}: {}", what, error.what()));
    }
  });
}

void Worker::start(std::function<void()> finished) {
  asio::co_spawn(context_, tick(), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  });
  if (generations_.back()->settings->relays) {
    learn_all(generations_.back());
  } else {
    first_lesson_.expires_after(std::chrono::seconds{0});
  }
  for (std::size_t door = 0; door < doors_.size(); ++door) spawn(accept(door), "listener");
  last_tick_ = Clock::now();
  thread_ = std::thread([this, finished = std::move(finished)] {
    log::Batch lines([this, &lines] { asio::post(context_, [&lines] { lines.flush(); }); });
    context_.run();
    lines.flush();
    last_tick_ = Clock::time_point::max();
    finished();
  });
}

void Worker::reload(std::shared_ptr<const WorkerSettings> settings) {
  asio::post(context_, [this, settings = std::move(settings)]() mutable {
    if (draining_) return;
    const auto before = generations_.back();
    generations_.push_back(make_generation(std::move(settings)));
    assume_known(*generations_.back(), *before);
    if (generations_.back()->settings->relays) learn_all(generations_.back());
  });
}

void Worker::drain() {
  asio::post(context_, [this] {
    draining_ = true;
    for (auto& door : doors_) close_acceptor(door.acceptor);
    for (auto* session : sessions_) session->drain();
    first_lesson_.cancel();
    end_if_idle();
  });
}

void Worker::give_up() {
  asio::post(context_, [this] {
    giving_up_ = true;
    clock_.cancel();
  });
}

void Worker::end_if_idle() {
  if (!draining_ || !sessions_.empty()) return;
  // Nobody is served any more: a connection that is being made for later is not waited for.
  for (const auto& generation : generations_) {
    for (auto& route : generation->routes.all()) route.pool.shut();
  }
  deadlines_.expire(Clock::time_point::max());
  clock_.cancel();
}

awaitable<void> Worker::accept(std::size_t door) {
  co_await first_lesson_.async_wait(as_values);
  const auto listener = doors_[door].listener;
  co_await accept_clients(doors_[door].acceptor, deadlines_,
                          [this, listener](auto client, IpAddress peer) {
                            spawn(serve(listener, std::move(client), peer), "session");
                          });
}

awaitable<void> Worker::serve(std::size_t listener, std::unique_ptr<Stream> client,
                              IpAddress peer) {
  struct Counted {
    SessionCount& count;
    const std::uint32_t before = count.open++;
    ~Counted() { --count.open; }
  } counted{count_};
  const auto generation = generations_.back();
  const auto& settings = generation->settings->listeners[listener];
  if (counted.before >= count_.limit) {
    if (settings->counts) settings->counts->turned_away(Counts::Turned::gate);
    shared_.warnings->warn(
        fmt::format("listener {}: 421 4.3.2 to more than {} connections of all listeners",
                    settings->listener, count_.limit.load()),
        ", from " + to_string(peer), Clock::now());
    co_return co_await send_away(*client, *settings, "4.3.2",
                                 "too many connections, try again later");
  }
  const auto address = co_await client_of(*client, peer, *settings);
  if (!address) co_return;
  const auto place = co_await admit(listener, *client, *address, *settings);
  if (!place) co_return;
  const auto session = make_session(*generation, listener, settings, std::move(client), *address);
  struct Registered {
    Worker& worker;
    Served* session;
    ~Registered() { worker.sessions_.erase(session); }
  } registered{*this, session.get()};
  sessions_.insert(session.get());
  if (draining_) session->drain();
  co_await session->run();
}

std::unique_ptr<Served> Worker::make_session(Generation& generation, std::size_t listener,
                                             const std::shared_ptr<const SessionSettings>& settings,
                                             std::unique_ptr<Stream> client, IpAddress address) {
  auto id = fmt::format("{:x}-{:x}-{:x}", current_time().time_since_epoch().count(), index_,
                        ++next_session_);
  const SessionContext context{.buffer = buffer_,
                               .routes = generation.routes,
                               .contacts = *contacts_,
                               .findings = findings_,
                               .clock = &current_time,
                               .traffic = shared_.traffic,
                               .ledger = shared_.ledger,
                               .link_keys = shared_.link_keys ? &shared_.link_keys : nullptr,
                               .returns = shared_.returns,
                               .contexts = shared_.contexts,
                               .clients = shared_.clients,
                               .partial = shared_.partial,
                               .return_mail_room = shared_.return_mail_room,
                               .warnings = shared_.warnings,
                               .listener = listener};
  switch (settings->role) {
    case ListenerConfig::Role::policy:
      return std::make_unique<PolicySession>(std::move(id), std::move(client), address, context,
                                             settings);
    case ListenerConfig::Role::return_path:
      return std::make_unique<ReturnSession>(std::move(id), std::move(client), address, context,
                                             settings);
    case ListenerConfig::Role::relay:
      break;
  }
  return std::make_unique<Session>(std::move(id), std::move(client), address, context, settings);
}

// Whom the peer speaks for; nullopt where it does not say so: there is nobody to serve.
awaitable<std::optional<IpAddress>> Worker::client_of(Stream& client, IpAddress peer,
                                                      const SessionSettings& settings) {
  if (!contains(settings.proxy_protocol, peer)) co_return peer;
  const auto limit =
      std::min<std::chrono::milliseconds>(longest_proxy_header, settings.timeouts.handshake);
  const auto address = co_await read_proxy_header(client, peer, limit);
  if (address) co_return *address;
  // A load balancer may look whether the port is open, and say nothing.
  const bool left = address.error().code == Errc::closed || draining_;
  if (!left && settings.counts) settings.counts->turned_away(Counts::Turned::proxy_header);
  if (!left || log::enabled(log::Level::debug)) {
    log::warning(fmt::format("listener {}: connection of the load balancer {} closed: {}",
                             settings.listener, to_string(peer), address.error().text));
  }
  co_return std::nullopt;
}

// Nullopt where there are too many already; the client was told so.
awaitable<std::optional<ClientTable::Place>> Worker::admit(std::size_t listener, Stream& client,
                                                           IpAddress address,
                                                           const SessionSettings& settings) {
  auto place = shared_.clients->enter(
      listener, address,
      {.connections = settings.listener_limits.connections,
       .connections_per_address = settings.listener_limits.connections_per_address});
  if (place) co_return *std::move(place);
  const bool of_address = place.error() == ClientTable::Full::address;
  if (settings.counts) {
    settings.counts->turned_away(of_address ? Counts::Turned::address : Counts::Turned::listener);
  }
  const auto& limits = settings.listener_limits;
  shared_.warnings->warn(
      of_address ? fmt::format("listener {}: 421 4.7.0 to more than {} connections of one address",
                               settings.listener, limits.connections_per_address)
                 : fmt::format("listener {}: 421 4.3.2 to more than {} connections",
                               settings.listener, limits.connections),
      ", from " + to_string(address), Clock::now());
  co_await send_away(client, settings, of_address ? "4.7.0" : "4.3.2",
                     of_address ? "too many connections from your address, try again later"
                                : "too many connections, try again later");
  co_return std::nullopt;
}

void Worker::learn_all(const std::shared_ptr<Generation>& generation) {
  for (std::size_t i = 0; i < generation->lessons.size(); ++i) {
    spawn(learn(generation, i), "upstream");
  }
}

// One visit to an upstream, to learn what it offers; its connection stays for the first client.
awaitable<void> Worker::learn(std::shared_ptr<Generation> generation, std::size_t upstream) {
  auto& lesson = generation->lessons[upstream];
  lesson.under_way = true;
  auto lease = co_await generation->routes.all()[upstream].pool.acquire(nullptr, true);
  if (lease) {
    // Once is enough: every thread asks the same upstream.
    if (index_ == 0) warn_of_auth(*generation, upstream, *lease);
    lease->give_back();
    lesson.pause = std::chrono::seconds{1};
  } else if (!draining_) {
    const auto& pool = generation->routes.all()[upstream].pool;
    shared_.warnings->warn(fmt::format("upstream {}: {}", pool.name(), lease.error().text), {},
                           Clock::now());
    lesson.next = Clock::now() + lesson.pause;
    lesson.pause = std::min(lesson.pause * 2, longest_pause);
  }
  lesson.under_way = false;
  if (++generation->lessons_ended >= generation->lessons.size()) first_lesson_.cancel();
}

// Where listeners let clients authenticate to this upstream, and it cannot be.
void Worker::warn_of_auth(const Generation& generation, std::size_t upstream, const Lease& lease) {
  const auto& settings = *generation.settings;
  const bool has_logins =
      upstream + 1 == settings.upstreams.size() || !settings.upstreams[upstream].rule.login.empty();
  const auto asks =
      std::ranges::find_if(settings.listeners, [](const auto& listener) { return listener->auth; });
  if (!has_logins || asks == settings.listeners.end()) return;
  const auto& pool = generation.routes.all()[upstream].pool;
  const bool offers = !pool.offered().auth.empty();
  if (offers && pool.may_carry_secrets(lease)) return;
  shared_.warnings->warn(
      fmt::format(
          "upstream {} {}: clients of listener {} cannot authenticate", pool.name(),
          offers ? "offers no TLS, and passwords would go to it in clear" : "offers no AUTH",
          (*asks)->listener),
      {}, Clock::now());
}

void Worker::look_after(const std::shared_ptr<Generation>& generation, Clock::time_point now) {
  auto& routes = generation->routes.all();
  for (std::size_t i = 0; i < routes.size(); ++i) {
    auto& pool = routes[i].pool;
    giving_up_ ? pool.shut() : pool.close_idle(now);
    const auto& lesson = generation->lessons[i];
    const bool current = generation == generations_.back() && generation->settings->relays;
    if (current && !draining_ && !pool.reached() && !lesson.under_way && now >= lesson.next) {
      spawn(learn(generation, i), "upstream");
    }
  }
}

awaitable<void> Worker::tick() {
  contacts_->refresh();
  while (!draining_ || active_ > 0) {
    clock_.expires_after(giving_up_ ? std::chrono::milliseconds{50}
                                    : std::chrono::milliseconds{1000});
    co_await clock_.async_wait(as_values);
    const auto now = Clock::now();
    last_tick_.store(now, std::memory_order_relaxed);
    deadlines_.expire(giving_up_ ? Clock::time_point::max() : now);
    contacts_->refresh();
    for (const auto& generation : generations_) look_after(generation, now);
    std::erase_if(generations_, [&](const auto& generation) {
      return generation != generations_.back() && generation.use_count() == 1;
    });
  }
  work_.reset();
}

}  // namespace postern::proxy
