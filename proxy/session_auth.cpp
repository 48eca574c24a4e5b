// AUTH in a session (RFC 4954): the client's exchange is relayed to its upstream, line by line. The
// upstream's answer is the client's; the connection on which it said yes is this session's alone.
// Nothing that is said in it is ever logged.
#include "base/log.h"
#include "base/text.h"
#include "proxy/session.h"
#include "proxy/wire/auth.h"

#include <algorithm>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace postern::proxy {

namespace asio = boost::asio;
using asio::awaitable;
using wire::make_reply;
using wire::Reply;

namespace {

constexpr std::string_view cancel_line = "*";
// "Username:", in base64.
constexpr std::string_view ask_name = "334 VXNlcm5hbWU6\r\n";
constexpr std::string_view ask_first = "334 \r\n";
// Of challenges; SCRAM has two, OAUTHBEARER's failure one more.
constexpr int most_rounds = 16;
constexpr std::uint32_t most_doublings = 4;
// Of a refusal that is held back: no longer than a gate that ends waits for its sessions.
constexpr std::chrono::milliseconds longest_pause{std::chrono::seconds{30}};
// Of an exchange as a whole: it has an upstream's connection to itself, though nobody knows yet who
// is there.
constexpr std::chrono::milliseconds longest_exchange{std::chrono::seconds{60}};

Reply unavailable() {
  return make_reply(454, "4.7.0", "authentication is not possible right now, try again later");
}

// What the upstream may say of an exchange, and the client may hear (RFC 4954 sections 4 and 6).
// 421 is about the connection; 530 and 538 ask the gate for TLS, not the client.
bool is_verdict(const Reply& reply) {
  return reply.code == 235 || ((reply.transient() || reply.permanent()) && reply.code != 421 &&
                               reply.code != 530 && reply.code != 538);
}

}  // namespace

struct Session::Exchange {
  explicit Exchange(const wire::Command& command)
      : mechanism(command.argument),
        initial_response(command.initial_response),
        reader(command.argument) {
    if (!initial_response.empty()) reader.response(initial_response);
  }
  std::string mechanism;
  std::string initial_response;
  wire::LoginReader reader;
  // The client's answer to a challenge that the gate made in the upstream's place.
  std::optional<std::string> held;
  std::string next;  // what the upstream is to be sent
  std::chrono::steady_clock::time_point until = std::chrono::steady_clock::now() + longest_exchange;
  Lease upstream;
  bool client_gone = false;
};

awaitable<bool> Session::authenticate(wire::Command command) {
  Exchange exchange(command);
  auto reply = co_await relay_exchange(exchange);
  if (exchange.client_gone) co_return false;
  co_return co_await end_exchange(exchange, std::move(reply));
}

awaitable<Reply> Session::relay_exchange(Exchange& exchange) {
  if (auto refused = co_await ask_who(exchange)) co_return *std::move(refused);
  Pool& pool = context_.routes.of_login(exchange.reader.login());
  auto connected = co_await connect_for(exchange, pool);
  if (!connected) {
    warn_of_upstream(pool, connected.error().text);
    co_return unavailable();
  }
  exchange.upstream = *std::move(connected);
  exchange.next = "AUTH " + exchange.mechanism;
  if (!exchange.initial_response.empty()) exchange.next += " " + exchange.initial_response;
  for (int round = 0; round < most_rounds; ++round) {
    exchange.next += "\r\n";
    auto reply =
        co_await exchange.upstream->ask_one(std::move(exchange.next), settings_->timeouts.command);
    if (reply && is_verdict(*reply)) co_return *std::move(reply);
    if (!reply || reply->code != 334) {
      warn_of_upstream(
          pool, fmt::format("{} to AUTH",
                            reply ? fmt::format("answered {}", reply->code) : reply.error().text));
      exchange.upstream.drop();
      co_return unavailable();
    }
    if (auto refused = co_await next_response(exchange, *reply)) {
      exchange.upstream.drop();
      co_return *std::move(refused);
    }
  }
  exchange.upstream.drop();
  co_return make_reply(501, "5.5.2", "this exchange does not end");
}

// Where the upstream hangs on who it is, the gate asks for the first response itself.
awaitable<std::optional<Reply>> Session::ask_who(Exchange& exchange) {
  const bool asks = context_.routes.has_logins() && exchange.reader.client_first() &&
                    exchange.initial_response.empty();
  if (!asks) co_return std::nullopt;
  const auto challenge = exchange.reader.asks_for_name() ? ask_name : ask_first;
  auto refused = co_await next_response(exchange, {334, std::string(challenge)});
  exchange.held = std::exchange(exchange.next, {});
  co_return refused;
}

// A new connection, over which a password may go.
awaitable<Result<Lease>> Session::connect_for(const Exchange& exchange, Pool& pool) {
  const auto client = facts();
  auto lease = co_await pool.acquire_for_login(client);
  if (!lease) co_return lease;
  if (!pool.may_carry_secrets(*lease)) {
    co_return fail(Errc::unsupported, "passwords would go to it in clear: it offers no TLS");
  }
  const auto& offered = (*lease)->capabilities().auth;
  if (std::ranges::find(offered, exchange.mechanism) == offered.end()) {
    co_return fail(Errc::unsupported,
                   fmt::format("offers no AUTH {} to this client", exchange.mechanism));
  }
  co_return lease;
}

// The client's response to a challenge becomes the next line for the upstream; the reply where
// there is none.
awaitable<std::optional<Reply>> Session::next_response(Exchange& exchange, const Reply& challenge) {
  if (exchange.held) {
    exchange.next = *std::exchange(exchange.held, std::nullopt);
    co_return std::nullopt;
  }
  if (!co_await send(challenge.text)) {
    exchange.client_gone = true;
    co_return unavailable();
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(exchange.until -
                                                                 std::chrono::steady_clock::now());
  auto line = co_await receive_line(
      std::clamp(left, std::chrono::milliseconds{1}, settings_->timeouts.command));
  if (!line) {
    exchange.client_gone = line.error().code != Errc::invalid;
    if (line.error().code == Errc::full) {
      static_cast<void>(co_await send(make_reply(421, "5.5.6", "the line is too long").text));
    } else if (exchange.client_gone) {
      co_await farewell(line.error());
    }
    co_return make_reply(500, "5.5.2", "a line of AUTH must not hold a bare CR or LF, or NUL");
  }
  if (*line == cancel_line) {
    // RFC 4954 section 4: the upstream's connection is not used again, so it need not hear of it.
    co_return make_reply(501, "5.7.0", "authentication cancelled");
  }
  if (!wire::is_base64(*line)) co_return make_reply(501, "5.5.2", "the response is not base64");
  exchange.reader.response(*line);
  exchange.next = *std::move(line);
  co_return std::nullopt;
}

// A refusal is held back, longer each time, for whoever guesses passwords.
awaitable<bool> Session::end_exchange(Exchange& exchange, Reply reply) {
  const auto& login = exchange.reader.login();
  if (settings_->counts) settings_->counts->authentication(reply);
  if (reply.code == 235) {
    own_pool_ = Pool::around(std::move(exchange.upstream));
    gatekeeper_.authenticated(login);
    dialogue_.authenticated();
    log::info(fmt::format("{} authenticated client={} mechanism={} login={}", id_, peer_text_,
                          exchange.mechanism, printable(login)));
    co_return co_await send(std::move(reply.text));
  }
  exchange.upstream.drop();
  log::info(fmt::format("{} not authenticated client={} mechanism={} reply={}", id_, peer_text_,
                        exchange.mechanism, reply.code));
  const auto doublings = std::min(auth_failures_++, most_doublings);
  asio::steady_timer pause(
      co_await asio::this_coro::executor,
      std::min(longest_pause, settings_->timeouts.auth_failure * (1U << doublings)));
  co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  const bool over = auth_failures_ >= settings_->limits.auth_failures;
  if (over) {
    log::warning(fmt::format("{} sent away after {} failures to authenticate client={}", id_,
                             auth_failures_, peer_text_));
    reply.text += make_reply(421, "4.7.0", "too many failures to authenticate").text;
  }
  co_return co_await send(std::move(reply.text)) && !over;
}

}  // namespace postern::proxy
