#include "proxy/client_side.h"

#include "base/log.h"
#include "base/text.h"
#include "proxy/message.h"

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

}  // namespace

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
  if (pending_.capacity() > pending_.size() + idle_capacity) pending_.shrink_to_fit();
  return plan;
}

awaitable<Result<std::string_view>> ClientSide::receive(std::chrono::milliseconds limit,
                                                        std::size_t at_most) {
  const auto buffer = buffer_.first(std::min(at_most, buffer_.size()));
  for (;;) {
    if (auto ready = co_await client_->wait_readable(limit); !ready)
      co_return std::unexpected(ready.error());
    const auto got = client_->read_now(buffer);
    if (!got) co_return std::unexpected(got.error());
    if (*got > 0) co_return std::string_view(buffer.data(), *got);
    if (draining_ && awaiting_command_) co_return fail(Errc::cancelled, "draining");
  }
}

awaitable<Result<std::string_view>> ClientSide::receive_commands() {
  awaiting_command_ = true;
  const auto got = co_await receive(timeouts_.command, command_read);
  awaiting_command_ = false;
  if (!got) {
    co_await farewell(got.error());
  } else if (log::enabled(log::Level::debug)) {
    log::debug(fmt::format("{} -> {}", id_, printable(*got, 2000)));
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
  const auto peer = to_string(peer_);
  const auto date = format_mail_date(now);
  return received_line({.helo = dialogue_.helo(),
                        .peer = peer,
                        .hostname = dialogue_.hostname(),
                        .id = id_,
                        .date = date,
                        .extended = dialogue_.extended(),
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
