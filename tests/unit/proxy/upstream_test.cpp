// How a connection to an upstream begins: greeting, EHLO, TLS.
#include "proxy/upstream.h"

#include "authority.h"
#include "memory_stream.h"
#include "proxy/tls_stream.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

using namespace postern;
using namespace postern::proxy;
using boost::asio::awaitable;
using test::Authority;
using test::MemoryStream;
using test::Pipe;
using Tls = UpstreamConfig::Tls;
using Mode = UpstreamConfig::TlsMode;

namespace {

constexpr std::chrono::seconds limit{60};

// What the server does: waits for a line, says something, begins TLS.
struct Act {
  enum class What { line, say, tls } what;
  std::string text{};
};
using Acts = std::vector<Act>;
Act line(std::string text) { return {Act::What::line, std::move(text)}; }
Act say(std::string text) { return {Act::What::say, std::move(text)}; }
Act tls() { return {Act::What::tls}; }

awaitable<bool> read_line(Stream& stream, std::string& input, const std::string& want) {
  std::string buffer(1000, '\0');
  while (!input.contains("\r\n")) {
    if (!co_await stream.wait_readable(limit)) co_return false;
    const auto got = stream.read_now(buffer);
    if (!got) co_return false;
    input.append(buffer, 0, *got);
  }
  CHECK(input.substr(0, input.find("\r\n")) == want);
  input.erase(0, input.find("\r\n") + 2);
  co_return true;
}

awaitable<void> serve(std::unique_ptr<Stream> stream, const Authority& authority, Acts acts,
                      std::size_t& done) {
  std::string input;
  for (const auto& act : acts) {
    bool good = true;
    if (act.what == Act::What::line) {
      good = co_await read_line(*stream, input, act.text);
    } else if (act.what == Act::What::say) {
      good = (co_await write_all(*stream, act.text, limit)).has_value();
    } else {
      auto secured = std::make_unique<TlsStream>(std::move(stream), authority.server(),
                                                 TlsStream::Role::server);
      auto* const shaking = secured.get();
      stream = std::move(secured);
      good = (co_await shaking->handshake(limit)).has_value();
    }
    if (!good) break;
    ++done;
  }
  stream->close();
}

struct Opened {
  std::optional<Error> failure;
  bool secure = false;
  Capabilities capabilities;
  std::size_t acts_done = 0;
};

Opened open(const Authority& authority, const Acts& acts, UpstreamSettings settings) {
  boost::asio::io_context context;
  const auto there = std::make_shared<Pipe>(context.get_executor());
  const auto back = std::make_shared<Pipe>(context.get_executor());
  Opened result;
  settings.hostname = "gate.example";
  {
    Upstream upstream(std::make_unique<MemoryStream>(back, there, 1U << 20U), TimeoutConfig{});
    const auto rethrow = [](const std::exception_ptr& failure) {
      if (failure) std::rethrow_exception(failure);
    };
    const auto opening = [&]() -> awaitable<void> {
      const auto opened = co_await upstream.open(settings);
      if (!opened) result.failure = opened.error();
      if (!opened) upstream.close();
    };
    boost::asio::co_spawn(context,
                          serve(std::make_unique<MemoryStream>(there, back, 1U << 20U), authority,
                                acts, result.acts_done),
                          rethrow);
    boost::asio::co_spawn(context, opening(), rethrow);
    context.poll();
    result.secure = upstream.secure();
    result.capabilities = upstream.capabilities();
    there->close();
    back->close();
    context.restart();
    context.poll();
  }
  return result;
}

const Act greeting = say("220 mx.example ESMTP\r\n");
const Act ehlo = line("EHLO gate.example");
const Act offer = say("250-mx.example\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n");
const Act starttls = line("STARTTLS");
const Act go_ahead = say("220 go\r\n");
const Act secure_offer = say("250-mx.example\r\n250 DSN\r\n");

}  // namespace

TEST_CASE("upstream: STARTTLS, and what was said before it is forgotten") {
  const Authority authority;
  const Acts acts{greeting, ehlo, offer, starttls, go_ahead, tls(), ehlo, secure_offer};
  const auto opened =
      open(authority, acts,
           {.tls = Tls::verify, .context = authority.client(), .server_name = "gate.example"});
  CHECK_FALSE(opened.failure);
  CHECK(opened.secure);
  CHECK(opened.capabilities == Capabilities{.dsn = true});
  CHECK(opened.acts_done == acts.size());
}

TEST_CASE("upstream: implicit TLS comes before the greeting") {
  const Authority authority;
  const auto opened = open(authority, {tls(), greeting, ehlo, secure_offer},
                           {.tls = Tls::verify,
                            .tls_mode = Mode::implicit,
                            .context = authority.client(),
                            .server_name = "gate.example"});
  CHECK_FALSE(opened.failure);
  CHECK(opened.secure);
  CHECK(opened.capabilities.dsn);
}

TEST_CASE("upstream: no TLS where nobody asks for it, or it need not be") {
  const Authority authority;
  const auto off = open(authority, {greeting, ehlo, offer}, {});
  CHECK_FALSE(off.failure);
  CHECK_FALSE(off.secure);
  CHECK(off.capabilities.starttls);
  const auto opportunistic =
      open(authority, {greeting, ehlo, secure_offer},
           {.tls = Tls::opportunistic, .context = *certs::opportunistic_context()});
  CHECK_FALSE(opportunistic.failure);
  CHECK_FALSE(opportunistic.secure);
}

TEST_CASE("upstream: what ends the connection, never going on in clear") {
  const Authority authority;
  const auto verifying = authority.client();
  const auto any = *certs::opportunistic_context();
  const std::string injected = "250 injected\r\n";
  const struct {
    Acts acts;
    Tls tls;
    std::string name;
    std::string text;
    const char* why;
  } cases[] = {
      {{greeting, ehlo, secure_offer}, Tls::verify, "gate.example", "offers no STARTTLS", "none"},
      {{greeting, ehlo, offer, starttls, say("454 4.7.0 not now\r\n")},
       Tls::opportunistic,
       "gate.example",
       "answered STARTTLS with 454",
       "refused"},
      {{greeting, ehlo, offer, starttls, say("220 go\r\n" + injected), tls(), ehlo, secure_offer},
       Tls::verify,
       "gate.example",
       "spoke on between STARTTLS and TLS",
       "a reply behind the 220"},
      {{greeting, ehlo, offer, starttls, say("220 go\r\n2")},
       Tls::verify,
       "gate.example",
       "spoke on between STARTTLS and TLS",
       "a part of one"},
      {{greeting, ehlo, offer, starttls, go_ahead, say(injected), tls()},
       Tls::opportunistic,
       "gate.example",
       "no TLS handshake: ",
       "clear text in the place of TLS"},
      {{greeting, ehlo, offer, starttls, go_ahead, tls()},
       Tls::verify,
       "mx.example",
       "its certificate is not for mx.example",
       "another name"},
      {{greeting, ehlo, offer, starttls, go_ahead},
       Tls::opportunistic,
       "gate.example",
       "hung up during the TLS handshake",
       "gone"},
      {{greeting, ehlo, offer, starttls, go_ahead, tls(), ehlo, say("502 no\r\n")},
       Tls::verify,
       "gate.example",
       "answered EHLO with 502",
       "refused under TLS"},
  };
  for (const auto& test : cases) {
    CAPTURE(test.why);
    const auto opened = open(authority, test.acts,
                             {.tls = test.tls,
                              .context = test.tls == Tls::verify ? verifying : any,
                              .server_name = test.name});
    REQUIRE(opened.failure);
    CAPTURE(opened.failure->text);
    CHECK(opened.failure->text.contains(test.text));
  }
}
