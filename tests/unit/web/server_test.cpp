#include "web/server.h"

#include "fake_store.h"
#include "web/site.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <doctest/doctest.h>

using namespace postern;
using boost::asio::ip::tcp;

namespace {

// The store's reader of the server, which owns its own.
class Reader final : public policy::ContactReader {
 public:
  explicit Reader(FakeStore& store) : store_(store) {}
  Result<void> find(const policy::CanonicalAddress& address, policy::Findings& findings) override {
    return store_.find(address, findings);
  }
  Result<std::string> note(const policy::EventId& event) override { return store_.note(event); }
  Result<policy::ContactRef> ref(const policy::CanonicalAddress& address) override {
    return store_.ref(address);
  }

 private:
  FakeStore& store_;
};

class Served {
 public:
  explicit Served(std::chrono::milliseconds answer_time = std::chrono::seconds{10})
      : token(store.token("newsletter")) {
    config.web.address = config.admin.address = Endpoint{"127.0.0.1", 0};
    auto made =
        web::Server::create(config, {.opt_outs = store,
                                     .reader = [this] { return std::make_unique<Reader>(store); },
                                     .metrics = metrics,
                                     .answer_time = answer_time});
    REQUIRE(made);
    server = *std::move(made);
    REQUIRE(server->listening().size() == 2);
    server->start();
  }
  [[nodiscard]] std::uint16_t port(std::size_t listener) const {
    const auto& line = server->listening()[listener];
    const auto colon = line.rfind(':');
    return static_cast<std::uint16_t>(std::stoi(line.substr(colon + 1)));
  }
  // Everything that is answered, until the server hangs up.
  [[nodiscard]] std::string ask(std::size_t listener, const std::string& request) const {
    boost::asio::io_context context;
    tcp::socket socket(context);
    socket.connect({boost::asio::ip::make_address("127.0.0.1"), port(listener)});
    boost::asio::write(socket, boost::asio::buffer(request));
    std::string answer;
    boost::system::error_code error;
    boost::asio::read(socket, boost::asio::dynamic_buffer(answer), error);
    return answer;
  }
  [[nodiscard]] std::string one_click() const {
    return "POST /u/" + token +
           " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 26\r\n\r\n"
           "List-Unsubscribe=One-Click";
  }

  FakeStore store;
  std::string token;
  metrics::Registry metrics;
  Config config = configuration();
  std::unique_ptr<web::Server> server;
};

}  // namespace

TEST_CASE("server: answers, keeps connections, and refuses what is too much") {
  Served served;
  const std::string close = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
  const auto twice =
      served.ask(0, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nHEAD /healthz" + close + "\r\n");
  CHECK(twice.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(twice.contains("\r\n\r\nok\nHTTP/1.1 200 OK\r\n"));
  CHECK(twice.ends_with("\r\n\r\n"));
  CHECK(twice.contains("Content-Security-Policy: default-src 'none';"));
  CHECK(served.ask(1, "GET /metrics" + close + "\r\n").contains("postern_web_requests_total"));
  CHECK(served.ask(0, "GET /metrics" + close + "\r\n").starts_with("HTTP/1.1 404 "));
  CHECK(served.ask(0, "GET /" + std::string(3'000, 'a') + close + "\r\n")
            .starts_with("HTTP/1.1 414 "));
  CHECK(served.ask(0, "GET /" + close + "X: " + std::string(9'000, 'a') + "\r\n\r\n")
            .starts_with("HTTP/1.1 431 "));
  CHECK(served.ask(0, "POST /" + close + "Content-Length: 99999\r\n\r\n")
            .starts_with("HTTP/1.1 413 "));
  CHECK(served.ask(0, "what\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

TEST_CASE("server: many at a time, while it is reloaded, until it is stopped") {
  Served served;
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 8; ++i) {
      clients.emplace_back([&] {
        for (int j = 0; j < 20; ++j) {
          good += served.ask(0, served.one_click()).starts_with("HTTP/1.1 200 ") ? 1 : 0;
        }
      });
    }
    for (int i = 0; i < 10; ++i) {
      served.config.unsubscribe.brand = "Brand " + std::to_string(i);
      served.server->reload(served.config, *web::site_settings(served.config));
    }
  }
  CHECK(good == 160);
  CHECK(served.ask(0, "GET /u/" + served.token + " HTTP/1.1\r\nConnection: close\r\n\r\n")
            .contains("Brand 9"));
  served.server->stop();
  CHECK(served.store.events == 1);
  served.server->stop();
}

TEST_CASE(
    "server: who is kept waiting by the store is told so, and the answer behind it is nobody's") {
  Served served(std::chrono::milliseconds{50});
  served.store.silent = true;
  const auto click = served.ask(0, served.one_click());
  CHECK(click.starts_with("HTTP/1.1 503 "));
  CHECK(click.contains("Retry-After: 60\r\n"));
  const auto form = served.ask(0, "POST /u/" + served.token +
                                      " HTTP/1.1\r\nAccept-Language: de\r\nConnection: close\r\n"
                                      "Content-Length: 8\r\n\r\ndo=leave");
  CHECK(form.starts_with("HTTP/1.1 503 "));
  CHECK(form.contains("<html lang=\"de\""));
  CHECK(served.ask(0, "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").contains("ok"));
  const auto unanswered = served.store.take_unanswered();
  REQUIRE(unanswered.size() == 2);
  for (const auto& done : unanswered) done(std::vector<PlacedHold>{});
  CHECK(served.ask(0, "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").contains("ok"));
}

TEST_CASE("server: a port that is taken is said") {
  Served served;
  Config config = configuration();
  config.web.address = Endpoint{"127.0.0.1", served.port(0)};
  const auto made =
      web::Server::create(config, {.opt_outs = served.store,
                                   .reader = [&] { return std::make_unique<Reader>(served.store); },
                                   .metrics = served.metrics});
  REQUIRE_FALSE(made);
  CHECK(made.error().code == Errc::busy);
  CHECK(made.error().text.contains("(web)"));
}
