#include "proxy/pool.h"

#include "base/log.h"

#include <algorithm>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace postern::proxy {

namespace asio = boost::asio;

void Lease::give_back() {
  if (upstream_) pool_->take_back(std::move(upstream_));
}

void Lease::give_back_open() {
  if (!upstream_) return;
  upstream_->leave_open();
  pool_->take_back(std::move(upstream_));
}

void Lease::drop() {
  if (!upstream_) return;
  if (std::exchange(for_login_, false)) --pool_->logins_;
  upstream_->close();
  upstream_.reset();
  pool_->closed_one();
}

Pool::Pool(asio::any_io_executor executor, Settings settings, Connect connect)
    : executor_(std::move(executor)),
      settings_(std::move(settings)),
      connect_(std::move(connect)) {}

Pool::~Pool() { shut(); }

std::unique_ptr<Upstream> Pool::pop_idle() {
  while (!idle_.empty()) {
    auto upstream = std::move(idle_.back().upstream);
    idle_.pop_back();
    if (upstream->quiet()) return upstream;
    // It was closed meanwhile, or said something that nobody asked for.
    upstream->close();
    closed_one();
  }
  return nullptr;
}

std::unique_ptr<Pool> Pool::around(Lease lease) {
  Pool& home = *lease.pool_;
  auto settings = home.settings_;
  settings.connections = 1;
  auto own = std::make_unique<Pool>(home.executor_, std::move(settings), Connect());
  own->home_ = &home;
  own->open_ = 1;
  own->reached_ = true;
  own->learn(lease.upstream_->capabilities());
  if (std::exchange(lease.for_login_, false)) --home.logins_;
  own->idle_.push_back({std::move(lease.upstream_), std::chrono::steady_clock::now()});
  return own;
}

asio::awaitable<Result<Lease>> Pool::acquire(const wire::ClientFacts* client, bool fresh) {
  auto lease = co_await acquire_any(fresh);
  if (!lease || !settings_.xclient || client == nullptr || home_ != nullptr) co_return lease;
  const bool reused = lease->reused();
  auto known = co_await (*lease)->identify(*client);
  if (!known && reused) {
    // A connection that had served before may have died since: nothing was agreed on it yet.
    lease->drop();
    lease = co_await acquire_any(true);
    if (!lease) co_return lease;
    known = co_await (*lease)->identify(*client);
  }
  if (!known) co_return std::unexpected(std::move(known).error());
  co_return lease;
}

asio::awaitable<Result<Lease>> Pool::acquire_for_login(const wire::ClientFacts& client) {
  if (logins_ >= std::max<std::size_t>(1, settings_.connections / 2)) {
    co_return fail(Errc::busy, "too many clients are about to authenticate");
  }
  ++logins_;
  auto lease = co_await acquire(&client, true);
  if (lease) {
    lease->for_login_ = true;
  } else {
    --logins_;
  }
  co_return lease;
}

asio::awaitable<Result<Lease>> Pool::acquire_any(bool fresh) {
  const auto give_up = std::chrono::steady_clock::now() + settings_.patience;
  while (!shut_) {
    if (!fresh) {
      if (auto upstream = pop_idle()) co_return Lease(*this, std::move(upstream), true);
    } else if (open_ >= settings_.connections && !idle_.empty()) {
      idle_.front().upstream->quit();
      idle_.pop_front();
      closed_one();
    }
    if (is_lost()) co_return fail(Errc::closed, "the authenticated connection was lost");
    if (open_ < settings_.connections) co_return co_await connect_new();
    if (std::chrono::steady_clock::now() >= give_up) {
      co_return fail(Errc::busy, "every upstream connection is in use");
    }
    asio::steady_timer turn(executor_, give_up);
    waiting_.push_back(&turn);
    co_await turn.async_wait(asio::as_tuple(asio::use_awaitable));
    std::erase(waiting_, &turn);
  }
  co_return fail(Errc::cancelled, "shutting down");
}

asio::awaitable<Result<Lease>> Pool::connect_new() {
  ++open_;
  auto made = co_await connect_();
  if (!made) {
    closed_one();
    co_return std::unexpected(std::move(made).error());
  }
  auto upstream = *std::move(made);
  learn(upstream->capabilities());
  reached_ = true;
  co_return Lease(*this, std::move(upstream), false);
}

void Pool::forget_capabilities() {
  learn(Capabilities::unknown_upstream());
  reached_ = false;
  close_idle(std::chrono::steady_clock::time_point::max());  // they would be asked nothing new
}

void Pool::take_back(std::unique_ptr<Upstream> upstream) {
  idle_.push_back({std::move(upstream), std::chrono::steady_clock::now()});
  wake_one();
}

void Pool::closed_one() {
  --open_;
  if (home_ != nullptr) home_->closed_one();
  wake_one();
  // Nobody's turn will come.
  while (is_lost() && !waiting_.empty()) wake_one();
}

void Pool::wake_one() {
  if (waiting_.empty()) return;
  waiting_.front()->cancel();
  waiting_.pop_front();
}

void Pool::close_idle(std::chrono::steady_clock::time_point now) {
  while (!idle_.empty() && now - idle_.front().since >= settings_.idle_close) {
    idle_.front().upstream->quit();
    idle_.pop_front();
    closed_one();
  }
}

void Pool::shut() {
  shut_ = true;
  close_idle(std::chrono::steady_clock::time_point::max());
  while (!waiting_.empty()) wake_one();
}

}  // namespace postern::proxy
