#include "proxy/worker.h"

#include "base/log.h"
#include "base/time.h"
#include "proxy/listener.h"
#include "proxy/return_session.h"
#include "proxy/wire/reply.h"

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
  auto connector = std::make_unique<Connector>(settings->upstream, deadlines_, failed_);
  auto connect = [raw = connector.get()] { return raw->connect(); };
  const auto pool = settings->pool;
  return std::shared_ptr<Generation>(
      new Generation{std::move(settings), std::move(connector),
                     Pool(context_.get_executor(), pool, std::move(connect))});
}

Result<void> Worker::listen(std::size_t listener, const tcp::endpoint& address) {
  auto acceptor = open_acceptor(context_, address);
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
  spawn(learn(generations_.back()), "upstream");
  for (std::size_t door = 0; door < doors_.size(); ++door) spawn(accept(door), "listener");
  thread_ = std::thread([this, finished = std::move(finished)] {
    context_.run();
    finished();
  });
}

void Worker::reload(std::shared_ptr<const WorkerSettings> settings) {
  asio::post(context_, [this, settings = std::move(settings)]() mutable {
    if (draining_) return;
    const auto before = generations_.back();
    generations_.push_back(make_generation(std::move(settings)));
    if (before->settings->upstream.endpoints == generations_.back()->settings->upstream.endpoints) {
      generations_.back()->pool.assume(before->pool.offered());
    }
    spawn(learn(generations_.back()), "upstream");
  });
}

void Worker::drain() {
  asio::post(context_, [this] {
    draining_ = true;
    for (auto& door : doors_) door.acceptor.close();
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
  for (const auto& generation : generations_) generation->pool.shut();
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
  if (counted.before >= count_.limit) {
    const auto busy = wire::make_reply(421, "4.3.2", "too many connections, try again later");
    static_cast<void>(co_await write_all(*client, busy.text, std::chrono::seconds(1)));
    co_return;
  }
  const auto generation = generations_.back();
  const auto& settings = generation->settings->listeners[listener];
  auto id = fmt::format("{:x}-{:x}-{:x}", current_time().time_since_epoch().count(), index_,
                        ++next_session_);
  const SessionContext context{.buffer = buffer_,
                               .pool = generation->pool,
                               .contacts = *contacts_,
                               .findings = findings_,
                               .clock = &current_time,
                               .traffic = shared_.traffic,
                               .ledger = shared_.ledger,
                               .link_keys = shared_.link_keys ? &shared_.link_keys : nullptr,
                               .returns = shared_.returns,
                               .contexts = shared_.contexts};
  std::unique_ptr<ClientSide> session;
  if (settings->return_mail) {
    session =
        std::make_unique<ReturnSession>(std::move(id), std::move(client), peer, context, settings);
  } else {
    session = std::make_unique<Session>(std::move(id), std::move(client), peer, context, settings);
  }
  struct Registered {
    Worker& worker;
    ClientSide* session;
    ~Registered() { worker.sessions_.erase(session); }
  } registered{*this, session.get()};
  sessions_.insert(session.get());
  if (draining_) session->drain();
  co_await session->run();
}

// One visit to the upstream, to learn what it offers; its connection stays for the first client.
awaitable<void> Worker::learn(std::shared_ptr<Generation> generation) {
  generation->learning = true;
  auto lease = co_await generation->pool.acquire(true);
  if (lease) {
    lease->give_back();
    generation->pause = std::chrono::seconds{1};
  } else if (!draining_) {
    log::warning(fmt::format("upstream {}: {}",
                             to_string(generation->settings->upstream.endpoints.front()),
                             lease.error().text));
    generation->next_lesson = Clock::now() + generation->pause;
    generation->pause = std::min(generation->pause * 2, longest_pause);
  }
  generation->learning = false;
  first_lesson_.cancel();
}

awaitable<void> Worker::tick() {
  while (!draining_ || active_ > 0) {
    clock_.expires_after(giving_up_ ? std::chrono::milliseconds{50}
                                    : std::chrono::milliseconds{1000});
    co_await clock_.async_wait(as_values);
    const auto now = Clock::now();
    deadlines_.expire(giving_up_ ? Clock::time_point::max() : now);
    contacts_->refresh();
    for (const auto& generation : generations_) {
      giving_up_ ? generation->pool.shut() : generation->pool.close_idle(now);
    }
    std::erase_if(generations_, [&](const auto& generation) {
      return generation != generations_.back() && generation.use_count() == 1;
    });
    const auto& current = generations_.back();
    if (!draining_ && !current->pool.reached() && !current->learning &&
        now >= current->next_lesson) {
      spawn(learn(current), "upstream");
    }
  }
  work_.reset();
}

}  // namespace postern::proxy
