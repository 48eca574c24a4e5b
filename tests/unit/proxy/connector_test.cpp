#include "proxy/connector.h"

#include "proxy/deadlines.h"

#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <doctest/doctest.h>

using namespace postern;
using namespace postern::proxy;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;

namespace {

// A server that greets with one line, or hangs; on the connector's own thread.
class Server {
 public:
  Server(asio::io_context& context, std::string greeting, bool answers = true)
      : acceptor_(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        greeting_(std::move(greeting)),
        answers_(answers) {
    asio::co_spawn(context, accept(), [](const std::exception_ptr&) {});
  }
  [[nodiscard]] Endpoint endpoint() const {
    return {"127.0.0.1", acceptor_.local_endpoint().port()};
  }
  [[nodiscard]] tcp::endpoint address() const { return acceptor_.local_endpoint(); }
  [[nodiscard]] std::size_t connections() const { return sockets_.size(); }
  void close() {
    acceptor_.close();
    for (auto& socket : sockets_) socket.close();
  }

 private:
  awaitable<void> accept() {
    for (;;) {
      auto& socket = sockets_.emplace_back(co_await acceptor_.async_accept(asio::use_awaitable));
      asio::co_spawn(acceptor_.get_executor(), serve(socket), [](const std::exception_ptr&) {});
    }
  }
  awaitable<void> serve(tcp::socket& socket) {
    co_await asio::async_write(socket, asio::buffer(greeting_), asio::use_awaitable);
    if (!answers_) co_return;
    asio::streambuf line;
    co_await asio::async_read_until(socket, line, "\r\n", asio::use_awaitable);
    const std::string reply = "250 mx.example\r\n";
    co_await asio::async_write(socket, asio::buffer(reply), asio::use_awaitable);
  }
  tcp::acceptor acceptor_;
  std::deque<tcp::socket> sockets_;
  std::string greeting_;
  bool answers_;
};

constexpr const char* welcome = "220 mx.example\r\n";

// Nobody listens there: bound, so that nobody else comes to.
class DeadPort {
 public:
  explicit DeadPort(asio::io_context& context)
      : socket_(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}
  [[nodiscard]] Endpoint endpoint() const { return {"127.0.0.1", socket_.local_endpoint().port()}; }
  [[nodiscard]] tcp::endpoint address() const { return socket_.local_endpoint(); }

 private:
  tcp::socket socket_;
};

struct Bench {
  asio::io_context context;
  Deadlines deadlines;
  FailedAddresses failed;
  ConnectorSettings settings{.endpoints = {}, .open = {.hostname = "gate.example"}, .timeouts = {}};

  // The deadlines are looked at every few milliseconds.
  Result<std::unique_ptr<Upstream>> connect() {
    Connector connector(settings, deadlines, failed);
    std::optional<Result<std::unique_ptr<Upstream>>> result;
    asio::co_spawn(context, connector.connect(), [&](const std::exception_ptr& failure, auto got) {
      if (failure) std::rethrow_exception(failure);
      result = std::move(got);
    });
    context.restart();
    while (!result) {
      context.run_for(5ms);
      context.restart();
      deadlines.expire(Deadline::Clock::now());
    }
    return *std::move(result);
  }
};

}  // namespace

TEST_CASE("connector: a fallback where the first is dead or refuses to serve") {
  Bench bench;
  const DeadPort dead(bench.context);
  Server refusing(bench.context, "554 no service\r\n");
  Server good(bench.context, welcome);
  bench.settings.endpoints = {dead.endpoint(), refusing.endpoint(), good.endpoint()};
  const auto upstream = bench.connect();
  REQUIRE(upstream);
  CHECK(refusing.connections() == 1);
  CHECK(good.connections() == 1);

  // Those that failed are tried last for a while.
  CHECK(bench.failed.contains(dead.address(), Deadline::Clock::now()));
  CHECK(bench.connect());
  CHECK(refusing.connections() == 1);
  CHECK(good.connections() == 2);
  good.close();
  const auto none = bench.connect();
  REQUIRE_FALSE(none);
  CHECK(refusing.connections() == 2);
  CHECK(none.error().text.contains("127.0.0.1:"));
}

TEST_CASE("connector: one that hangs does not use up the time of the others") {
  Bench bench;
  bench.settings.timeouts.connect = 100ms;
  Server silent(bench.context, "", false);
  Server mumbling(bench.context, "220-a greeting without an end\r\n", false);
  Server good(bench.context, welcome);
  bench.settings.endpoints = {silent.endpoint(), good.endpoint()};
  CHECK(bench.connect());
  CHECK(bench.failed.contains(silent.address(), Deadline::Clock::now()));
  bench.settings.endpoints = {mumbling.endpoint(), good.endpoint()};
  CHECK(bench.connect());
}

TEST_CASE(
    "connector: the only address is waited for as the timeouts say, and named as configured") {
  Bench bench;
  bench.settings.timeouts.connect = 1ms;
  bench.settings.timeouts.greeting = 100ms;
  Server silent(bench.context, "", false);
  bench.settings.endpoints = {silent.endpoint()};
  const auto timed_out = bench.connect();
  REQUIRE_FALSE(timed_out);
  CHECK(timed_out.error().code == Errc::timeout);
  CHECK(timed_out.error().text == "timed out");

  Server refusing(bench.context, "554 no service\r\n");
  bench.settings.endpoints = {refusing.endpoint()};
  CHECK(bench.connect().error().text == "greeted with 554 no service");
}

TEST_CASE("connector: each address of a name is tried once") {
  Bench bench;
  Server refusing(bench.context, "554 no service\r\n");
  bench.settings.endpoints = {
      refusing.endpoint(), refusing.endpoint(), {"localhost", refusing.endpoint().port}};
  CHECK_FALSE(bench.connect());
  CHECK(refusing.connections() == 1);
}

TEST_CASE("connector: failures are forgotten after a while, and few are kept") {
  FailedAddresses failed;
  const auto now = Deadline::Clock::now();
  const auto address = [](unsigned short port) {
    return tcp::endpoint(asio::ip::address_v4::loopback(), port);
  };
  failed.note(address(1), now);
  CHECK(failed.contains(address(1), now + 29s));
  CHECK_FALSE(failed.contains(address(1), now + 31s));
  for (unsigned short port = 2; port < 1000; ++port) failed.note(address(port), now);
  CHECK_FALSE(failed.contains(address(999), now));
  failed.note(address(999), now + 31s);
  CHECK(failed.contains(address(999), now + 31s));
}

TEST_CASE("connector: what the configuration says of TLS") {
  UpstreamConfig config;
  config.fallback = {{"mx2.example", 25}};
  const auto plain = connector_settings(config, "gate.example", {});
  REQUIRE(plain);
  CHECK(plain->endpoints.size() == 2);
  CHECK_FALSE(plain->open.context);
  config.tls = UpstreamConfig::Tls::verify;
  CHECK(connector_settings(config, "gate.example", {})->open.context);
  config.ca = "/nonexistent/ca.pem";
  const auto absent = connector_settings(config, "gate.example", {});
  REQUIRE_FALSE(absent);
  CHECK(absent.error().text.contains("upstream 127.0.0.1:25: /nonexistent/ca.pem"));
}
