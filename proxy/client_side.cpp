#include "proxy/client_side.h"

#include "base/log.h"
#include "base/text.h"
#include "proxy/message.h"
#include "proxy/session.h"
#include "proxy/tls_stream.h"

#include <algorithm>

#include <fmt/format.h>

namespace postern::proxy {

using boost::asio::awaitable;
using wire::make_reply;

namespace {

// For the last word to a client that may not be reading any more.
constexpr std::chrono::seconds farewell_limit{5};
// What a session keeps of its input while it waits for more.
constexpr std::size_t idle_capacity = 512;
// Commands are short: what is read of them at a time bounds what a client that does not read its
// replies can cost.
constexpr std::size_t command_read = 64UL * 1024;
// Octets a second that a message comes at, at least, once the time for its first piece is used up.
constexpr std::uint64_t slowest_message = 500;
constexpr std::chrono::milliseconds least_wait{1};

using Clock = std::chrono::steady_clock;

// What may be said of it in a log: neither a password nor a message.
bool holds_secret(std::string_view commands) {
  return contains_nocase(commands, "BDAT") || contains_nocase(commands, "AUTH");
}

std::chrono::milliseconds left(Clock::time_point begun, std::chrono::milliseconds limit) {
  const auto used = std::chrono::floor<std::chrono::milliseconds>(Clock::now() - begun);
  return std::max(least_wait, limit - used);
}

}  // namespace

ClientSide::ClientSide(std::string id, std::unique_ptr<Stream> client, IpAddress peer,
                       std::span<char> buffer, Dialogue::Rules rules, RecipientCheck& check,
                       const SessionSettings& settings)
    : id_(std::move(id)),
      client_(std::move(client)),
      peer_(peer),
      peer_text_(to_string(peer)),
      dialogue_(std::move(rules), check),
      buffer_(buffer),
      timeouts_(settings.timeouts),
      tls_(settings.tls) {}

awaitable<bool> ClientSide::greet() {
  if (tls_.mode == ListenerConfig::Tls::implicit && !co_await secure()) co_return false;
  co_return co_await send(dialogue_.greeting().text);
}

awaitable<bool> ClientSide::start_tls() {
  if (!pending_.empty()) {
    log::warning(fmt::format("{} client={} sent {} octets behind STARTTLS: they are dropped", id_,
                             peer_text_, pending_.size()));
    pending_ = {};
  }
  co_return co_await secure();
}

awaitable<bool> ClientSide::secure() {
  auto tls = std::make_unique<TlsStream>(std::move(client_), tls_.certificates->context(),
                                         TlsStream::Role::server);
  TlsStream& secured = *tls;
  client_ = std::move(tls);
  const auto agreed = co_await secured.handshake(timeouts_.handshake);
  if (!agreed) {
    log::info(fmt::format("{} client={} TLS: {}", id_, peer_text_, printable(agreed.error().text)));
    co_return false;
  }
  secured_by_ = fmt::format("{} with cipher {}", secured.protocol(), secured.cipher());
  log::debug(fmt::format("{} TLS: {}", id_, secured_by_));
  dialogue_.secured();
  co_return true;
}

awaitable<Result<std::string>> ClientSide::receive_line(std::chrono::milliseconds limit) {
  const auto begun = Clock::now();
  for (;;) {
    const auto line = wire::next_line(pending_);
    if (line.state == wire::Line::State::complete) {
      std::string text(line.text);
      pending_.erase(0, line.consumed);
      co_return text;
    }
    if (line.state == wire::Line::State::bare) {
      pending_.erase(0, line.consumed);
      co_return fail(Errc::invalid, "a bare CR or LF, or NUL");
    }
    // Its end is still to come, and would be read as a command.
    if (line.state == wire::Line::State::too_long) co_return fail(Errc::full, "too long a line");
    awaiting_command_ = true;
    const auto got = co_await receive(left(begun, limit), command_read);
    awaiting_command_ = false;
    if (!got) co_return std::unexpected(got.error());
    pending_ += *got;
  }
}

void ClientSide::drain() {
  draining_ = true;
  if (awaiting_command_) client_->cancel();
}

Plan ClientSide::take(std::string_view octets, const Capabilities& offered) {
  const bool direct = pending_.empty();
  if (!direct) pending_ += octets;
  std::string_view input = direct ? octets : std::string_view(pending_);
  const auto before = input.size();
  Plan plan = dialogue_.take(input, offered);
  if (direct) {
    pending_ = input;
  } else {
    pending_.erase(0, before - input.size());
  }
  if (!plan.replies.empty()) waiting_since_.reset();
  if (pending_.capacity() > pending_.size() + idle_capacity) pending_.shrink_to_fit();
  return plan;
}

awaitable<Result<std::string_view>> ClientSide::receive(std::chrono::milliseconds limit,
                                                        std::size_t at_most) {
  const auto buffer = buffer_.first(std::min(at_most, buffer_.size()));
  // Under TLS a part of a record wakes us, and is nothing yet.
  const auto begun = Clock::now();
  for (;;) {
    const auto remaining = left(begun, limit);
    if (auto ready = co_await client_->wait_readable(remaining); !ready)
      co_return std::unexpected(ready.error());
    const auto got = client_->read_now(buffer);
    if (!got) co_return std::unexpected(got.error());
    if (*got > 0) co_return std::string_view(buffer.data(), *got);
    if (draining_ && awaiting_command_) co_return fail(Errc::cancelled, "draining");
  }
}

std::chrono::milliseconds ClientSide::patience(std::uint64_t octets,
                                               std::chrono::steady_clock::time_point begun,
                                               std::chrono::milliseconds limit) {
  return std::min(limit, left(begun, limit + earned(octets)));
}

std::chrono::milliseconds ClientSide::earned(std::uint64_t octets) {
  return std::chrono::milliseconds(octets * 1'000 / slowest_message);
}

awaitable<Result<std::string_view>> ClientSide::receive_commands(Clock::time_point until) {
  const auto now = Clock::now();
  if (pending_.empty() || !waiting_since_) waiting_since_ = now;
  const auto end = std::min(until, *waiting_since_ + timeouts_.command);
  const auto limit = std::chrono::ceil<std::chrono::milliseconds>(end - now);
  Result<std::string_view> got = fail(Errc::timeout, "the client took too long");
  if (now < until) {
    awaiting_command_ = true;
    got = co_await receive(std::max(least_wait, limit), command_read);
    awaiting_command_ = false;
  }
  if (!got) {
    co_await farewell(got.error());
  } else if (log::enabled(log::Level::debug)) {
    // A password may be in it, in whatever pieces it comes, or some of a message behind BDAT.
    const bool shown = (!dialogue_.may_authenticate() || dialogue_.is_authenticated()) &&
                       !dialogue_.drops_chunk() && !holds_secret(pending_ + std::string(*got));
    log::debug(shown ? fmt::format("{} -> {}", id_, printable(*got, 2000))
                     : fmt::format("{} -> {} octets", id_, got->size()));
  }
  co_return got;
}

awaitable<bool> ClientSide::send(std::string octets) {
  const auto sent = co_await write_all(*client_, octets, timeouts_.command);
  if (!sent) log::info(fmt::format("{} client: {}", id_, sent.error().text));
  co_return sent.has_value();
}

awaitable<bool> ClientSide::send_replies(const Plan& plan, bool go_ahead) {
  std::string replies;
  replies.reserve(plan.reply_octets);
  for (const auto& reply : plan.replies) replies += reply.text;
  bool open = !plan.ends_session;
  if (plan.asks_data && !go_ahead && sent_more()) {
    // Sent before our 354, so the client meant it as data: it is never read as commands.
    replies += make_reply(421, "4.7.0", "a message may follow a 354 only").text;
    open = false;
  }
  if (log::enabled(log::Level::debug))
    log::debug(fmt::format("{} <- {}", id_, printable(trim(replies), 2000)));
  co_return co_await send(std::move(replies)) && open;
}

std::string ClientSide::trace(Time now) const {
  const auto date = format_mail_date(now);
  return received_line({.helo = dialogue_.helo(),
                        .peer = peer_text_,
                        .hostname = dialogue_.hostname(),
                        .id = id_,
                        .date = date,
                        .extended = dialogue_.extended(),
                        .authenticated = dialogue_.is_authenticated(),
                        .tls = secured_by_,
                        .utf8 = dialogue_.transaction()->parameters.smtputf8});
}

bool ClientSide::sent_more() {
  if (!pending_.empty()) return true;
  const auto got = client_->read_now(buffer_);
  return got && *got > 0;
}

bool ClientSide::is_gone() {
  if (!pending_.empty()) return false;
  const auto got = client_->read_now(buffer_.first(command_read));
  if (got) pending_.assign(buffer_.data(), *got);
  return !got;
}

awaitable<void> ClientSide::farewell(Error error) {
  std::string reply;
  if (draining_) {
    reply = make_reply(421, "4.3.2",
                       fmt::format("{} shutting down, try again later", dialogue_.hostname()))
                .text;
  } else if (error.code == Errc::timeout) {
    reply = make_reply(421, "4.4.2",
                       fmt::format("{} timeout, closing connection", dialogue_.hostname()))
                .text;
  }
  if (!reply.empty()) static_cast<void>(co_await write_all(*client_, reply, farewell_limit));
}

}  // namespace postern::proxy
