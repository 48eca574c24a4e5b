#include "proxy/tls_stream.h"

#include "authority.h"
#include "memory_stream.h"

#include <array>
#include <functional>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

using namespace postern;
using namespace postern::proxy;
using namespace std::chrono_literals;
using boost::asio::awaitable;
using test::Authority;
using test::MemoryStream;
using test::Pipe;

namespace {

constexpr auto limit = 60s;

// A client and a server on two pipes.
struct Both {
  struct Way {
    std::size_t write_limit = 1U << 20U;
    bool stalls = false;
  };
  Both(const std::shared_ptr<SSL_CTX>& server_context,
       const std::shared_ptr<SSL_CTX>& client_context, std::string name, Way way)
      : to_server(std::make_shared<Pipe>(context.get_executor())),
        to_client(std::make_shared<Pipe>(context.get_executor())),
        server(std::make_unique<MemoryStream>(to_server, to_client, way.write_limit, way.stalls),
               server_context, TlsStream::Role::server),
        client(std::make_unique<MemoryStream>(to_client, to_server, way.write_limit, way.stalls),
               client_context, TlsStream::Role::client, std::move(name)) {}
  Both(const Authority& authority, Way way)
      : Both(authority.server(), authority.client(), "gate.example", way) {}

  // Both must have ended by themselves.
  void run(awaitable<void> at_server, awaitable<void> at_client) {
    int ended = 0;
    const auto count = [&ended](const std::exception_ptr& failure) {
      if (failure) std::rethrow_exception(failure);
      ++ended;
    };
    boost::asio::co_spawn(context, std::move(at_server), count);
    boost::asio::co_spawn(context, std::move(at_client), count);
    context.restart();
    context.poll();
    CHECK(ended == 2);
    to_server->close();
    to_client->close();
    context.restart();
    context.poll();
  }

  boost::asio::io_context context;
  std::shared_ptr<Pipe> to_server;
  std::shared_ptr<Pipe> to_client;
  TlsStream server;
  TlsStream client;
};

// As sessions read: all that comes, `step` octets at a time at most, up to `size` or the end.
awaitable<Result<void>> read(Stream& stream, std::string& into, std::size_t size,
                             std::size_t step = 4096) {
  std::string buffer(step, '\0');
  while (into.size() < size) {
    if (auto ready = co_await stream.wait_readable(limit); !ready) co_return ready;
    const auto got = stream.read_now(buffer);
    if (!got) co_return std::unexpected(got.error());
    into.append(buffer, 0, *got);
  }
  co_return Result<void>{};
}

std::string long_text(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += "line " + std::to_string(i) + "\r\n";
  return text;
}

awaitable<void> shake(TlsStream& stream, std::optional<Error>& failure) {
  auto done = co_await stream.handshake(limit);
  if (!done) failure = done.error();
  if (!done) stream.close();
}

std::optional<Error> client_failure(const std::shared_ptr<SSL_CTX>& server,
                                    const std::shared_ptr<SSL_CTX>& client,
                                    const std::string& name) {
  Both both(server, client, name, {});
  std::optional<Error> at_server;
  std::optional<Error> at_client;
  both.run(shake(both.server, at_server), shake(both.client, at_client));
  return at_client;
}

}  // namespace

TEST_CASE("tls: what one side writes the other reads, however little the stream takes at a time") {
  const Authority authority;
  const auto commands = long_text(300);
  const auto message = long_text(100'000);
  for (const auto way : {Both::Way{}, Both::Way{1, false}, Both::Way{1, true}, Both::Way{7, true},
                         Both::Way{16'384, true}}) {
    CAPTURE(way.write_limit);
    Both both(authority, way);
    std::string heard;
    std::string answered;
    // It answers and then does nothing more: what it wrote must have left.
    const auto at_server = [&]() -> awaitable<void> {
      REQUIRE(co_await both.server.handshake(limit));
      REQUIRE(co_await read(both.server, heard, commands.size(), 1));
      REQUIRE(co_await write_all(both.server, message, limit));
    };
    const auto at_client = [&]() -> awaitable<void> {
      REQUIRE(co_await both.client.handshake(limit));
      REQUIRE(co_await write_all(both.client, commands, limit));
      REQUIRE(co_await read(both.client, answered, message.size()));
    };
    both.run(at_server(), at_client());
    CHECK(heard == commands);
    CHECK(answered == message);
  }
}

TEST_CASE("tls: pieces are gathered, and what is not taken is offered again") {
  const Authority authority;
  Both both(authority, {100, true});
  const std::array<std::string_view, 5> pieces{"one ", "", "two ", "three ", "four"};
  std::string heard;
  const auto at_server = [&]() -> awaitable<void> {
    REQUIRE(co_await both.server.handshake(limit));
    REQUIRE(co_await read(both.server, heard, 18));
  };
  const auto at_client = [&]() -> awaitable<void> {
    REQUIRE(co_await both.client.handshake(limit));
    const auto before = both.to_server->chunks.size();
    auto taken = both.client.write_now(pieces);
    while (taken && *taken == 0) {
      REQUIRE(co_await both.client.wait_writable(limit));
      taken = both.client.write_now(pieces);
    }
    CHECK(taken == 18);
    CHECK(both.to_server->chunks.size() - before <= 2);  // one record, not four
  };
  both.run(at_server(), at_client());
  CHECK(heard == "one two three four");
}

TEST_CASE("tls: what is said of a connection") {
  const Authority authority;
  Both both(authority, {});
  std::optional<Error> at_server;
  std::optional<Error> at_client;
  both.run(shake(both.server, at_server), shake(both.client, at_client));
  CHECK_FALSE(at_server);
  CHECK_FALSE(at_client);
  CHECK(both.server.protocol() == "TLSv1.3");
  CHECK(both.server.cipher().starts_with("TLS_"));
  CHECK(both.server.server_name() == "gate.example");
  CHECK_FALSE(both.server.resumed());
}

TEST_CASE("tls: no octet is given that was not whole, wherever the connection is cut") {
  const Authority authority;
  const std::string text = "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n";
  std::size_t whole = 0;
  for (std::size_t cut = 0; cut <= whole + 1; ++cut) {
    CAPTURE(cut);
    Both both(authority, {});
    // The client's octets pass through a pipe of their own, up to the cut.
    const auto from_client = std::make_shared<Pipe>(both.context.get_executor());
    TlsStream client(std::make_unique<MemoryStream>(both.to_client, from_client, 1U << 20U),
                     authority.client(), TlsStream::Role::client, "gate.example");
    const auto relay = [&]() -> awaitable<void> {
      for (std::size_t passed = 0;;) {
        while (from_client->chunks.empty() && !from_client->closed) {
          co_await from_client->changed.async_wait(
              boost::asio::as_tuple(boost::asio::use_awaitable));
        }
        if (from_client->chunks.empty()) break;
        auto chunk = from_client->chunks.front();
        from_client->chunks.pop_front();
        const auto room = cut == 0 ? chunk.size() : cut - 1 - passed;
        both.to_server->put(chunk.substr(0, room));
        passed += std::min(chunk.size(), room);
        if (cut == 0) whole = passed + 1;
        if (cut != 0 && passed == cut - 1) break;
      }
      both.to_server->close();
      both.to_client->close();
    };
    std::string heard;
    Errc end{};
    const auto at_server = [&]() -> awaitable<void> {
      auto done = co_await both.server.handshake(limit);
      if (done) done = co_await read(both.server, heard, 1000);
      end = done.error().code;
    };
    const auto at_client = [&]() -> awaitable<void> {
      if (co_await client.handshake(limit)) {
        static_cast<void>(co_await write_all(client, text, limit));
      }
      client.close();
    };
    boost::asio::co_spawn(both.context, relay(), boost::asio::detached);
    both.run(at_server(), at_client());
    CHECK(end == Errc::closed);
    CHECK((heard.empty() || heard == text));
    if (cut == 0) CHECK(heard == text);
  }
  CHECK(whole > text.size());
}

TEST_CASE("tls: a record that was changed on its way ends the connection") {
  const Authority authority;
  Both both(authority, {});
  std::string heard;
  std::optional<Error> end;
  const auto at_server = [&]() -> awaitable<void> {
    REQUIRE(co_await both.server.handshake(limit));
    const auto done = co_await read(both.server, heard, 1000);
    end = done.error();
    CHECK(both.server.read_now(std::span(heard)).error().code == Errc::io);
    both.server.close();
  };
  const auto at_client = [&]() -> awaitable<void> {
    REQUIRE(co_await both.client.handshake(limit));
    REQUIRE(co_await write_all(both.client, "good\r\n", limit));
    REQUIRE(co_await write_all(both.client, "changed\r\n", limit));
    both.to_server->chunks.back().back() ^= 1;
  };
  both.run(at_server(), at_client());
  CHECK(heard == "good\r\n");
  REQUIRE(end);
  CHECK(end->code == Errc::io);
  CHECK(end->text.contains("bad record mac"));
}

TEST_CASE("tls: the other side's certificate is looked at") {
  const Authority authority;
  const Authority other("other.example");
  const auto server = authority.server();
  CHECK_FALSE(client_failure(server, authority.client(), "gate.example"));
  CHECK_FALSE(client_failure(server, authority.client(), "GATE.example."));
  CHECK_FALSE(client_failure(server, authority.client(), "127.0.0.1"));
  CHECK_FALSE(client_failure(server, authority.client(), "::1"));
  CHECK_FALSE(client_failure(server, *certs::opportunistic_context(), "mx.example"));

  const auto wrong_name = client_failure(server, authority.client(), "mx.example");
  REQUIRE(wrong_name);
  CHECK(wrong_name->code == Errc::invalid);
  CHECK(wrong_name->text == "its certificate is not for mx.example");
  CHECK(client_failure(server, authority.client(), "127.0.0.2"));
  const auto wrong_authority = client_failure(server, other.client(), "gate.example");
  REQUIRE(wrong_authority);
  CHECK(wrong_authority->code == Errc::invalid);
  CHECK(wrong_authority->text.starts_with("its certificate is not trusted: self"));
  CHECK(client_failure(server, *certs::verifying_context({}), "gate.example"));
}

TEST_CASE("tls: a handshake that does not come about says why") {
  const Authority authority;
  struct Case {
    std::string octets;
    bool closes;
    std::chrono::milliseconds limit;
    Errc code;
    std::string text;
  };
  const std::array cases{
      Case{"EHLO client.example\r\n", false, 60s, Errc::invalid, "no TLS handshake: "},
      Case{"", true, 60s, Errc::closed, "hung up during the TLS handshake"},
      Case{"\x16\x03\x01", true, 60s, Errc::closed, "hung up during the TLS handshake"},
      Case{"\x16\x03\x01", false, 0ms, Errc::timeout, "no TLS handshake in time"},
  };
  for (const auto& [octets, closes, patience, code, text] : cases) {
    CAPTURE(octets);
    Both both(authority, {});
    std::optional<Error> failure;
    const auto at_server = [&]() -> awaitable<void> {
      const auto done = co_await both.server.handshake(patience);
      if (!done) failure = done.error();
    };
    const auto at_client = [&]() -> awaitable<void> {
      both.to_server->put(octets);
      if (closes) both.to_server->close();
      co_return;
    };
    both.run(at_server(), at_client());
    REQUIRE(failure);
    CHECK(failure->code == code);
    CHECK(failure->text.starts_with(text));
  }
}

TEST_CASE("tls: who trickles does not prolong the handshake") {
  const Authority authority;
  Both both(authority, {});
  std::optional<Error> failure;
  bool over = false;
  const auto at_server = [&]() -> awaitable<void> {
    const auto done = co_await both.server.handshake(20ms);
    if (!done) failure = done.error();
    over = true;
  };
  const auto trickle = [&]() -> awaitable<void> {
    both.to_server->put("\x16\x03\x01\x40");
    boost::asio::steady_timer pause(both.context);
    while (!over) {
      both.to_server->put("x");
      pause.expires_after(1ms);
      co_await pause.async_wait(boost::asio::use_awaitable);
    }
  };
  boost::asio::co_spawn(both.context, at_server(), boost::asio::detached);
  boost::asio::co_spawn(both.context, trickle(), boost::asio::detached);
  both.context.run();
  REQUIRE(failure);
  CHECK(failure->code == Errc::timeout);
}

TEST_CASE("tls: a wait is cancelled, a goodbye is heard") {
  const Authority authority;
  Both both(authority, {});
  const auto at_server = [&]() -> awaitable<void> {
    REQUIRE(co_await both.server.handshake(limit));
    boost::asio::post(both.context, [&] { both.server.cancel(); });
    const auto cancelled = co_await both.server.wait_readable(limit);
    REQUIRE_FALSE(cancelled);
    CHECK(cancelled.error().code == Errc::cancelled);
    both.server.close();
  };
  std::string heard;
  const auto at_client = [&]() -> awaitable<void> {
    REQUIRE(co_await both.client.handshake(limit));
    const auto done = co_await read(both.client, heard, 1);
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::closed);
    CHECK(done.error().text == "the connection was closed");
  };
  both.run(at_server(), at_client());
  CHECK(heard.empty());
}
