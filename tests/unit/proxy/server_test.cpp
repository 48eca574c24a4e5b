// The server with its threads, over real sockets on loopback: sessions on several threads at once,
// reload, draining.
#include "proxy/server.h"

#include <atomic>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

using namespace postern;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

class EmptyContacts final : public policy::ContactReader {
 public:
  Result<void> find(const policy::CanonicalAddress& /*address*/,
                    policy::Findings& findings) override {
    findings.clear();
    return {};
  }
  Result<std::string> note(const policy::EventId& /*event*/) override { return std::string(); }
  Result<policy::ContactRef> ref(const policy::CanonicalAddress& /*address*/) override {
    return policy::ContactRef{};
  }
};

const std::string closed = "(closed)";

ListenerConfig listener(std::string name, Endpoint address, std::vector<Network> trusted) {
  ListenerConfig config;
  config.name = std::move(name);
  config.address = std::move(address);
  config.trusted = std::move(trusted);
  return config;
}

// A blocking line reader and writer.
class Peer {
 public:
  explicit Peer(tcp::socket socket) : socket_(std::move(socket)) {}
  // `closed` at the end of the connection.
  std::string line() {
    boost::system::error_code error;
    const auto count = asio::read_until(socket_, buffer_, "\r\n", error);
    if (error) return closed;
    std::string text(count, '\0');
    buffer_.sgetn(text.data(), static_cast<std::streamsize>(count));
    return text.substr(0, count - 2);
  }
  void say(const std::string& text) {
    boost::system::error_code gone;  // the next line() notices
    asio::write(socket_, asio::buffer(text + "\r\n"), gone);
  }
  std::string ask(const std::string& text) {
    say(text);
    return line();
  }

 private:
  tcp::socket socket_;
  asio::streambuf buffer_;
};

// An upstream that takes everything; a thread for each connection, until the listener is closed.
class TakingUpstream {
 public:
  TakingUpstream() : acceptor_(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    port_ = acceptor_.local_endpoint().port();
    thread_ = std::thread([this] {
      std::vector<std::jthread> served;
      for (;;) {
        boost::system::error_code error;
        tcp::socket socket(context_);
        acceptor_.accept(socket, error);
        if (error || stopping_) break;
        served.emplace_back([](tcp::socket client) { serve(Peer(std::move(client))); },
                            std::move(socket));
      }
    });
  }
  ~TakingUpstream() {
    stopping_ = true;
    tcp::socket last(context_);
    boost::system::error_code ignored;
    last.connect({asio::ip::address_v4::loopback(), port_}, ignored);
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  static void serve(Peer peer) {
    peer.say("220 upstream ESMTP");
    bool data = false;
    for (std::string line = peer.line(); line != closed; line = peer.line()) {
      if (data && line != ".") continue;
      data = line == "DATA";
      peer.say(data ? "354 go on" : "250 Ok");
    }
  }

  asio::io_context context_;
  tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

Config config_before(const TakingUpstream& upstream) {
  Config config = Config::defaults();
  config.threads = 2;
  config.listeners.front().address = {"127.0.0.1", 0};
  config.upstream.address = {"127.0.0.1", upstream.port()};
  return config;
}

// One that trusts nobody.
// A server on a thread of its own; SIGHUP gives it the configuration `reloaded`, named
// "reloaded.example".
struct Running {
  Running(const Config& config, Config reloaded) {
    reloaded.hostname = "reloaded.example";
    auto created = proxy::Server::create(
        config, {.reader = [] { return std::make_unique<EmptyContacts>(); },
                 .reload = [this, reloaded]() -> std::optional<proxy::Server::Reload> {
                   ++reloads;
                   return proxy::Server::Reload{.config = reloaded, .apply = [this] { ++applied; }};
                 },
                 .every_second = [](auto) {}});
    REQUIRE(created.has_value());
    server = *std::move(created);
    thread = std::thread([this] { server->run(); });
  }
  explicit Running(const Config& config) : Running(config, config) {}
  ~Running() {
    if (!thread.joinable()) return;
    ::kill(::getpid(), SIGTERM);
    thread.join();
  }
  // To the listener of that place: "listening on 127.0.0.1:2525 (relay)".
  [[nodiscard]] Peer connect(std::size_t listener = 0) const {
    const auto& text = server->listening()[listener];
    const auto address = text.substr(13, text.rfind(' ') - 13);
    const auto colon = address.rfind(':');
    tcp::socket socket(context);
    socket.connect({asio::ip::make_address(address.substr(0, colon)),
                    static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)))});
    return Peer(std::move(socket));
  }

  mutable asio::io_context context;
  std::atomic<int> reloads = 0;
  std::atomic<int> applied = 0;
  std::unique_ptr<proxy::Server> server;
  std::thread thread;
};

// Why a server of that configuration cannot be; nullopt where it can.
std::optional<Errc> refusal_to_listen(const Config& config) {
  const auto created =
      proxy::Server::create(config, {.reader = [] { return std::make_unique<EmptyContacts>(); },
                                     .reload = [] { return std::nullopt; },
                                     .every_second = [](auto) {}});
  if (created) return std::nullopt;
  return created.error().code;
}

bool send_one(Peer& peer) {
  const bool asked = peer.ask("MAIL FROM:<a@example.com>").starts_with("250") &&
                     peer.ask("RCPT TO:<b@example.org>").starts_with("250") &&
                     peer.ask("DATA").starts_with("354");
  return asked && peer.ask("Subject: x\r\n\r\nbody\r\n.").starts_with("250");
}

}  // namespace

TEST_CASE("server: many clients on its threads, every message answered") {
  TakingUpstream upstream;
  Running running(config_before(upstream));
  std::atomic<int> taken = 0;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 8; ++i) {
      clients.emplace_back([&] {
        auto peer = running.connect();
        if (!peer.line().starts_with("220") || !peer.ask("HELO client").starts_with("250")) return;
        for (int message = 0; message < 20; ++message) taken += send_one(peer) ? 1 : 0;
        peer.ask("QUIT");
      });
    }
  }
  CHECK(taken == 160);
}

TEST_CASE("server: SIGHUP changes new sessions, not those that are open") {
  TakingUpstream upstream;
  Running running(config_before(upstream));
  auto before = running.connect();
  const auto greeting = before.line();
  CHECK(greeting.starts_with("220 "));
  ::kill(::getpid(), SIGHUP);
  std::string seen;
  for (int attempt = 0; attempt < 10'000 && !seen.starts_with("220 reloaded.example"); ++attempt) {
    auto after = running.connect();
    seen = after.line();
    after.ask("QUIT");
  }
  CHECK(seen.starts_with("220 reloaded.example"));
  CHECK(running.reloads == 1);
  CHECK(running.applied == 1);
  CHECK(before.ask("HELO client") == "250 " + greeting.substr(4, greeting.find(' ', 4) - 4));
  CHECK(send_one(before));
}

TEST_CASE("server: a reload of which something cannot be used comes to nothing") {
  TakingUpstream upstream;
  const auto config = config_before(upstream);
  auto without_authorities = config;
  without_authorities.upstream.tls = UpstreamConfig::Tls::verify;
  without_authorities.upstream.ca = "/nowhere/ca.pem";
  auto without_certificate = config;
  without_certificate.listeners.front().tls = ListenerConfig::Tls::starttls;
  without_certificate.listeners.front().certificates = {{"/nowhere/cert.pem", "/nowhere/key.pem"}};
  for (const auto& broken : {without_authorities, without_certificate}) {
    const Running running(config, broken);
    // The second begins when the first is over.
    for (int wanted = 1; wanted <= 2; ++wanted) {
      ::kill(::getpid(), SIGHUP);
      while (running.reloads < wanted) std::this_thread::yield();
    }
    auto peer = running.connect();
    CHECK_FALSE(peer.line().starts_with("220 reloaded.example"));
    CHECK(running.applied == 0);
  }
}

TEST_CASE("server: draining lets a message finish and sends the others away") {
  TakingUpstream upstream;
  Running running(config_before(upstream));
  auto idle = running.connect();
  CHECK(idle.line().starts_with("220"));
  CHECK(idle.ask("HELO client").starts_with("250"));
  auto busy = running.connect();
  CHECK(busy.line().starts_with("220"));
  CHECK(busy.ask("HELO client").starts_with("250"));
  CHECK(busy.ask("MAIL FROM:<a@example.com>").starts_with("250"));
  CHECK(busy.ask("RCPT TO:<b@example.org>").starts_with("250"));
  CHECK(busy.ask("DATA").starts_with("354"));
  ::kill(::getpid(), SIGTERM);
  CHECK(idle.line().starts_with("421 4.3.2"));
  CHECK(idle.line() == closed);
  CHECK(busy.ask("Subject: x\r\n\r\nbody\r\n.").starts_with("250"));
  CHECK(busy.line().starts_with("421 4.3.2"));
  running.thread.join();
}

TEST_CASE(
    "server: a reload gives each socket the trust of its own address, wherever its table stands") {
  TakingUpstream upstream;
  auto config = config_before(upstream);
  const auto strangers = listener("strangers", {"127.0.0.1", 0}, {});
  const auto inside = listener("inside", {"127.0.0.2", 0}, loopback_networks());
  config.listeners = {strangers, inside};
  auto swapped = config;
  swapped.listeners = {inside, strangers};
  const Running running(config, swapped);
  std::string greeting;
  const auto rcpt = [&](std::size_t listener) {
    auto peer = running.connect(listener);
    greeting = peer.line();
    peer.ask("HELO client");
    peer.ask("MAIL FROM:<a@example.com>");
    return peer.ask("RCPT TO:<b@example.org>").substr(0, 3);
  };
  CHECK(rcpt(0) == "554");
  CHECK(rcpt(1) == "250");
  ::kill(::getpid(), SIGHUP);
  for (int attempt = 0; attempt < 10'000 && !greeting.starts_with("220 reloaded.example");
       ++attempt) {
    CHECK(rcpt(0) == "554");
  }
  CHECK(greeting.starts_with("220 reloaded.example"));
  greeting.clear();
  for (int attempt = 0; attempt < 10'000 && !greeting.starts_with("220 reloaded.example");
       ++attempt) {
    CHECK(rcpt(1) == "250");
  }
  CHECK(greeting.starts_with("220 reloaded.example"));
}

TEST_CASE("server: listeners that would share connections are refused") {
  Config config = Config::defaults();
  asio::io_context context;
  std::uint16_t port = 0;
  {
    const tcp::acceptor free_port(context, {asio::ip::address_v4::loopback(), 0});
    port = free_port.local_endpoint().port();
  }
  config.listeners = {listener("one", {"0.0.0.0", port}, {}),
                      listener("two", {"127.0.0.1", port}, {})};
  CHECK(refusal_to_listen(config) == Errc::busy);
}

TEST_CASE("server: listeners of port 0 get a port each") {
  Config config = Config::defaults();
  config.threads = 1;
  // So many that the kernel gives some port twice.
  config.listeners.clear();
  for (int i = 0; i < 400; ++i) {
    config.listeners.push_back(listener(fmt::format("l{}", i), {"127.0.0.1", 0}, {}));
  }
  CHECK_FALSE(refusal_to_listen(config));
}

TEST_CASE("server: a port in use is said, not shared") {
  TakingUpstream upstream;
  Config config = Config::defaults();
  config.listeners.front().address = {"127.0.0.1", upstream.port()};
  CHECK(refusal_to_listen(config) == Errc::busy);
}
