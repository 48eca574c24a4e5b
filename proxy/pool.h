// A thread's connections to the upstream: bounded, kept for a few seconds after a transaction and
// used again only when clean (DESIGN.md, "Lessons": ten idle ones exhaust a small upstream). Also
// what the upstream offers, as last learnt.
#pragma once

#include "base/config.h"
#include "proxy/upstream.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace postern::proxy {

class Pool;

// A connection on loan: given back, or closed when the loan ends without that.
class Lease {
 public:
  Lease() = default;
  Lease(Pool& pool, std::unique_ptr<Upstream> upstream, bool reused)
      : pool_(&pool), upstream_(std::move(upstream)), reused_(reused) {}
  Lease(Lease&& other) noexcept
      : pool_(other.pool_),
        upstream_(std::move(other.upstream_)),
        reused_(other.reused_),
        for_login_(std::exchange(other.for_login_, false)) {}
  Lease& operator=(Lease&& other) noexcept {
    drop();
    pool_ = other.pool_, upstream_ = std::move(other.upstream_), reused_ = other.reused_;
    for_login_ = std::exchange(other.for_login_, false);
    return *this;
  }
  ~Lease() { drop(); }

  [[nodiscard]] explicit operator bool() const { return upstream_ != nullptr; }
  Upstream* operator->() const { return upstream_.get(); }
  // It served somebody before: it may have died since, and one more try on a new one is fair.
  [[nodiscard]] bool reused() const { return reused_; }

  // Back to the pool after a completed transaction; or with one left open, which RSET ends before
  // the next.
  void give_back();
  void give_back_open();
  // Closed without a word: a message that was cut short must not look ended.
  void drop();

 private:
  friend class Pool;
  Pool* pool_ = nullptr;
  std::unique_ptr<Upstream> upstream_;
  bool reused_ = false;
  bool for_login_ = false;
};

class Pool {
 public:
  struct Settings {
    std::size_t connections = 50;  // of this pool, at most
    std::chrono::milliseconds idle_close{4000};
    std::chrono::milliseconds patience{std::chrono::seconds{30}};  // for a free connection
    bool xclient = false;  // who the client is goes first (Upstream::identify)
    bool local = false;    // the upstream is on this machine
    std::string name{};    // the upstream's address, for the log
  };
  // How a connection to the upstream is made, EHLO and all; the tests have their own.
  using Connect = std::function<boost::asio::awaitable<Result<std::unique_ptr<Upstream>>>()>;

  Pool(boost::asio::any_io_executor executor, Settings settings, Connect connect);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // This connection alone, for who authenticated on it: nobody else gets it, and it is never made
  // anew. It counts as one of the pool that it is from until it is closed.
  [[nodiscard]] static std::unique_ptr<Pool> around(Lease lease);
  // Of around(): its connection is gone.
  [[nodiscard]] bool is_lost() const { return home_ != nullptr && open_ == 0; }

  // A connection that is clean but for a RSET it may owe, and on which the upstream knows of
  // `client` where it is to be told. `fresh`: never a used one. Waits up to `patience` where all
  // are out. Errc::busy where none became free: the client gets 451 4.4.1; Errc::unsupported where
  // the upstream cannot be told: 451 4.3.5.
  [[nodiscard]] boost::asio::awaitable<Result<Lease>> acquire(const wire::ClientFacts* client,
                                                              bool fresh = false);

  [[nodiscard]] const std::string& name() const { return settings_.name; }
  // What the upstream offers; Capabilities::unknown_upstream() until it was reached.
  [[nodiscard]] const Capabilities& offered() const { return offered_; }
  [[nodiscard]] bool reached() const { return reached_; }
  // The same for who has yet to say a password: a new one, and never more of them at a time than
  // half of what there is, so that strangers who only begin leave room for mail. Errc::busy above.
  [[nodiscard]] boost::asio::awaitable<Result<Lease>> acquire_for_login(
      const wire::ClientFacts& client);
  // A client's password may be told on that connection: nobody else can read it.
  [[nodiscard]] bool may_carry_secrets(const Lease& lease) const {
    return settings_.local || lease->secure();
  }
  // Grows whenever offered() may have changed.
  [[nodiscard]] std::uint64_t lessons() const { return lessons_; }
  // Until it was reached: what an earlier pool learnt of the same upstream.
  void assume(const Capabilities& offered) { learn(offered); }
  // An upstream turned out to lack what it offered before: learn anew.
  void forget_capabilities();

  // Somebody waits for a connection.
  [[nodiscard]] bool is_wanted() const { return !waiting_.empty(); }

  // Once a second: idle connections whose time is over are closed.
  void close_idle(std::chrono::steady_clock::time_point now);
  // Nobody gets a connection any more; those that are idle are closed.
  void shut();

 private:
  friend class Lease;
  struct Idle {
    std::unique_ptr<Upstream> upstream;
    std::chrono::steady_clock::time_point since;
  };
  void learn(const Capabilities& offered) {
    offered_ = offered;
    ++lessons_;
  }
  [[nodiscard]] boost::asio::awaitable<Result<Lease>> acquire_any(bool fresh);
  void take_back(std::unique_ptr<Upstream> upstream);
  void closed_one();
  void wake_one();
  [[nodiscard]] std::unique_ptr<Upstream> pop_idle();
  [[nodiscard]] boost::asio::awaitable<Result<Lease>> connect_new();

  boost::asio::any_io_executor executor_;
  Settings settings_;
  Connect connect_;
  std::deque<Idle> idle_;   // the most recently used last
  std::size_t open_ = 0;    // idle, out on loan and being made
  std::size_t logins_ = 0;  // of them: whose clients have yet to say a password
  std::list<boost::asio::steady_timer*> waiting_;
  Capabilities offered_ = Capabilities::unknown_upstream();
  std::uint64_t lessons_ = 0;
  Pool* home_ = nullptr;  // of around()
  bool reached_ = false;
  bool shut_ = false;
};

}  // namespace postern::proxy
