#include "proxy/sink.h"

#include "base/log.h"
#include "base/text.h"
#include "proxy/wire/data.h"

#include <utility>

#include <fmt/format.h>

namespace postern::proxy {

using boost::asio::awaitable;
using wire::make_reply;
using wire::Reply;

namespace {

constexpr std::chrono::minutes patience{5};
// It keeps a message in memory until it is whole.
constexpr std::size_t max_message = 64ULL * 1024 * 1024;

Capabilities offered() {
  return {.pipelining = true,
          .eight_bit_mime = true,
          .smtputf8 = true,
          .dsn = true,
          .size = true,
          .size_limit = max_message};
}

}  // namespace

const policy::Stream& SinkCheck::stream_of(const policy::Mailbox& /*reverse_path*/) {
  recipients_.clear();
  return stream_;
}

std::optional<Reply> SinkCheck::check(const policy::Mailbox& recipient,
                                      const policy::Stream& /*stream*/, bool /*utf8*/) {
  recipients_.push_back(policy::to_string(recipient));
  return std::nullopt;
}

SinkSession::SinkSession(std::unique_ptr<Stream> client, const Maildir& maildir,
                         std::span<char> buffer)
    : client_(std::move(client)),
      maildir_(maildir),
      buffer_(buffer),
      dialogue_({.hostname = "sink.invalid"}, check_) {}

awaitable<void> SinkSession::run() {
  bool open = co_await send(dialogue_.greeting().text);
  while (open) {
    std::string_view input = pending_;
    auto plan = dialogue_.take(input, offered());
    pending_.erase(0, pending_.size() - input.size());
    open = plan.replies.empty() ? co_await read_more() : co_await serve(std::move(plan));
  }
  client_->close();
}

awaitable<bool> SinkSession::read_more() {
  if (!co_await client_->wait_readable(patience)) co_return false;
  const auto got = client_->read_now(buffer_);
  if (!got) co_return false;
  pending_.append(buffer_.data(), *got);
  co_return true;
}

awaitable<bool> SinkSession::send(std::string octets) {
  co_return (co_await write_all(*client_, octets, patience)).has_value();
}

awaitable<bool> SinkSession::serve(Plan plan) {
  Dialogue::Settled settled;
  if (!plan.forwards.empty()) {
    settled = dialogue_.settle(plan, accept_all(plan));
  }
  std::string replies;
  for (const auto& reply : plan.replies) replies += reply.text;
  if (!co_await send(std::move(replies)) || plan.ends_session) co_return false;
  co_return !settled.go_ahead || co_await take_message();
}

awaitable<bool> SinkSession::take_message() {
  wire::DataScanner scanner;
  std::string message;
  while (!scanner.finished()) {
    if (pending_.empty() && !co_await read_more()) co_return false;
    const auto piece = scanner.scan(pending_);
    if (message.size() <= max_message) message.append(pending_, 0, piece.consumed);
    pending_.erase(0, piece.consumed);
  }
  const auto reverse_path = policy::to_string(dialogue_.transaction()->reverse_path);
  const auto recipients = check_.take_recipients();
  dialogue_.end_transaction();
  if (message.size() > max_message)
    co_return co_await send(make_reply(552, "5.3.4", "message too large").text);
  if (scanner.fault() != wire::DataScanner::Fault::none) {
    co_return co_await send(
        make_reply(550, "5.5.2", "message holds a bare CR, a bare LF or NUL").text);
  }
  std::string kept = fmt::format("Return-Path: <{}>\n", reverse_path);
  for (const auto& recipient : recipients) kept += fmt::format("Delivered-To: {}\n", recipient);
  // As a Maildir holds messages.
  kept += wire::unstuffed(message, "\n");
  const auto name = maildir_.deliver(kept);
  if (!name) {
    log::error(name.error().text);
    co_return co_await send(make_reply(452, "4.3.1", "cannot keep the message").text);
  }
  log::info(fmt::format("kept {} from=<{}> to=<{}>", *name, printable(reverse_path),
                        printable(fmt::format("{}", fmt::join(recipients, ">,<")), 400)));
  co_return co_await send(make_reply(250, "2.0.0", fmt::format("Ok: kept as {}", *name)).text);
}

}  // namespace postern::proxy
