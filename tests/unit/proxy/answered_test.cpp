#include "proxy/answered.h"

#include <exception>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

using namespace postern;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

// What comes of asking, once the thread that waits has nothing left to do.
std::optional<Result<void>> result_of(std::function<void(proxy::Answer)> ask,
                                      std::chrono::milliseconds limit) {
  asio::io_context context;
  std::optional<Result<void>> result;
  asio::co_spawn(
      context,
      [](auto asked, auto most, auto& into) -> asio::awaitable<void> {
        into = co_await proxy::answered(std::move(asked), most);
      }(std::move(ask), limit, result),
      [](const std::exception_ptr& failure) {
        if (failure) std::rethrow_exception(failure);
      });
  context.run();
  return result;
}

}  // namespace

TEST_CASE("answered: at once, by another thread, with an error") {
  CHECK(result_of([](const proxy::Answer& answer) { answer({}); }, 60s)->has_value());
  std::thread other;
  CHECK(result_of(
            [&](proxy::Answer answer) {
              other = std::thread([answer = std::move(answer)] { answer({}); });
            },
            60s)
            ->has_value());
  other.join();
  const auto failed =
      result_of([](const proxy::Answer& answer) { answer(fail(Errc::full, "full")); }, 60s);
  REQUIRE(failed);
  CHECK(failed->error().code == Errc::full);
}

TEST_CASE(
    "answered: an answer that comes too late, or when nobody is there any more, does no harm") {
  proxy::Answer late;
  const auto result = result_of([&](proxy::Answer answer) { late = std::move(answer); }, 1ms);
  REQUIRE(result);
  CHECK(result->error().code == Errc::timeout);
  late({});

  proxy::Answer orphan;
  {
    asio::io_context context;
    asio::co_spawn(context,
                   proxy::answered([&](proxy::Answer answer) { orphan = std::move(answer); }, 60s),
                   [](const std::exception_ptr&, const Result<void>&) {});
    context.poll();
  }
  orphan({});
}
