#include "proxy/answered.h"

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postern::proxy {

namespace asio = boost::asio;

namespace {

// The answer comes when the waiting thread may be gone: `open` says whether it may still be told.
struct Door {
  std::mutex mutex;
  bool open = true;
};

struct Waiting {
  explicit Waiting(const asio::any_io_executor& executor) : wake(executor) {}
  ~Waiting() {
    const std::scoped_lock lock(door->mutex);
    door->open = false;
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  asio::steady_timer wake;
  std::optional<Result<void>> answer;
  std::shared_ptr<Door> door = std::make_shared<Door>();
};

}  // namespace

asio::awaitable<Result<void>> answered(std::function<void(Answer)> ask,
                                       std::chrono::milliseconds limit) {
  const auto executor = co_await asio::this_coro::executor;
  const auto waiting = std::make_shared<Waiting>(executor);
  waiting->wake.expires_after(limit);
  ask([weak = std::weak_ptr(waiting), door = waiting->door, executor](Result<void> answer) {
    const std::scoped_lock lock(door->mutex);
    if (!door->open) return;
    asio::post(executor, [weak, answer = std::move(answer)]() mutable {
      const auto told = weak.lock();
      if (!told) return;
      told->answer = std::move(answer);
      told->wake.cancel();
    });
  });
  if (!waiting->answer) co_await waiting->wake.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!waiting->answer) co_return fail(Errc::timeout, "no answer in time");
  co_return *waiting->answer;
}

}  // namespace postern::proxy
