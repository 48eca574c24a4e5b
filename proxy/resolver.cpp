#include "proxy/resolver.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <netdb.h>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postern::proxy {

namespace asio = boost::asio;
using asio::ip::tcp;
using Endpoints = std::vector<tcp::endpoint>;

namespace {

// Look-ups that nobody waits for any more still hold a thread each.
constexpr int max_threads = 16;
std::atomic<int> threads = 0;

// The one that waits. Lives in its coroutine's frame, on its thread.
class Wait final : public Deadline {
 public:
  Wait(const asio::any_io_executor& executor, Deadlines& deadlines, std::chrono::milliseconds limit)
      : Deadline(deadlines), timer_(executor, asio::steady_timer::time_point::max()) {
    arm(limit);
  }
  asio::awaitable<void> done() { co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable)); }
  void wake() { timer_.cancel(); }

 private:
  void on_deadline() override { wake(); }
  asio::steady_timer timer_;
};

// What both threads hold; the one that waits takes itself out when it stops waiting.
struct Lookup {
  std::mutex mutex;
  Wait* waiting = nullptr;
  asio::any_io_executor executor;
  std::optional<Result<Endpoints>> found;
};

Result<Endpoints> look_up(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code =
      ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list);
  if (code != 0)
    return fail(Errc::io, std::string("cannot find its address: ") + ::gai_strerror(code));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  Endpoints found;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    tcp::endpoint address;
    if (entry->ai_addrlen > address.capacity()) continue;
    address.resize(entry->ai_addrlen);
    std::memcpy(address.data(), entry->ai_addr, entry->ai_addrlen);
    found.push_back(address);
  }
  return found;
}

void run(const std::shared_ptr<Lookup>& lookup, const Endpoint& endpoint) {
  auto found = look_up(endpoint);
  const std::scoped_lock lock(lookup->mutex);
  if (lookup->waiting == nullptr) return;
  lookup->found = std::move(found);
  asio::post(lookup->executor, [lookup] {
    const std::scoped_lock again(lookup->mutex);
    if (lookup->waiting != nullptr) lookup->waiting->wake();
  });
}

}  // namespace

asio::awaitable<Result<Endpoints>> resolve(Endpoint endpoint, Deadlines& deadlines,
                                           std::chrono::milliseconds limit) {
  boost::system::error_code no_number;
  const auto numeric = asio::ip::make_address(endpoint.host, no_number);
  if (!no_number) co_return Endpoints{tcp::endpoint(numeric, endpoint.port)};

  if (threads.fetch_add(1) >= max_threads) {
    --threads;
    co_return fail(Errc::timeout, "cannot find its address: too many look-ups are under way");
  }
  const auto executor = co_await asio::this_coro::executor;
  Wait wait(executor, deadlines, limit);
  const auto lookup = std::make_shared<Lookup>();
  lookup->waiting = &wait;
  lookup->executor = executor;
  std::thread([lookup, endpoint] {
    run(lookup, endpoint);
    --threads;
  }).detach();
  co_await wait.done();
  const std::scoped_lock lock(lookup->mutex);
  lookup->waiting = nullptr;
  if (!lookup->found) co_return fail(Errc::timeout, "its address was not found in time");
  co_return *std::move(lookup->found);
}

}  // namespace postern::proxy
