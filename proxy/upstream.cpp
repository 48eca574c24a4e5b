#include "proxy/upstream.h"

#include "base/log.h"
#include "base/text.h"
#include "proxy/tls_stream.h"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace postern::proxy {

using boost::asio::awaitable;
using wire::make_reply;
using wire::ParsedReply;
using wire::Reply;

Result<std::optional<Reply>> Upstream::take_reply() {
  auto parsed = wire::parse_reply(input_);
  if (parsed.state == ParsedReply::State::malformed) {
    return fail(Errc::invalid, fmt::format("malformed reply: {}", printable(input_, 80)));
  }
  if (parsed.state == ParsedReply::State::incomplete) return std::nullopt;
  input_.erase(0, parsed.consumed);
  return std::move(parsed.reply);
}

awaitable<Result<Reply>> Upstream::read_reply(std::chrono::milliseconds limit) {
  // For the reply as a whole: one that trickles does not keep its client waiting for ever.
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    auto taken = take_reply();
    if (!taken) co_return std::unexpected(std::move(taken).error());
    if (*taken) co_return **std::move(taken);
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) co_return fail(Errc::timeout, "timed out");
    if (auto ready = co_await stream_->wait_readable(left); !ready)
      co_return std::unexpected(ready.error());
    std::array<char, 4096>
        buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by read_now
    const auto got = stream_->read_now(buffer);
    if (!got) co_return std::unexpected(got.error());
    input_.append(buffer.data(), *got);
  }
}

awaitable<Result<void>> Upstream::greet() {
  const auto greeting = co_await read_reply(timeouts_.greeting);
  if (!greeting) co_return std::unexpected(greeting.error());
  if (greeting->code == 220) co_return Result<void>{};
  co_return fail(Errc::invalid, fmt::format("greeted with {}", printable(trim(greeting->text))));
}

awaitable<Result<void>> Upstream::hello(const std::string& hostname) {
  // What is there already would answer EHLO.
  if (!quiet()) co_return fail(Errc::invalid, "closed, or spoke without being asked");
  const auto command = fmt::format("EHLO {}\r\n", hostname);
  if (auto sent = co_await write_all(*stream_, command, timeouts_.greeting); !sent) co_return sent;
  const auto reply = co_await read_reply(timeouts_.greeting);
  if (!reply) co_return std::unexpected(reply.error());
  if (reply->code != 250) {
    co_return fail(Errc::invalid,
                   fmt::format("answered EHLO with {}", printable(trim(reply->text))));
  }
  if (!input_.empty()) co_return fail(Errc::invalid, "more replies than commands");
  capabilities_ = parse_capabilities(*reply);
  co_return Result<void>{};
}

awaitable<Result<void>> Upstream::open(UpstreamSettings settings) {
  auto opened = co_await agree(std::move(settings));
  opened_with_ = capabilities_;
  co_return opened;
}

awaitable<Result<void>> Upstream::agree(UpstreamSettings settings) {
  using Tls = UpstreamConfig::Tls;
  const bool implicit =
      settings.tls != Tls::off && settings.tls_mode == UpstreamConfig::TlsMode::implicit;
  if (implicit) {
    if (auto secured = co_await secure_with(settings); !secured) co_return secured;
  }
  if (auto greeted = co_await greet(); !greeted) co_return greeted;
  if (auto said = co_await hello(settings.hostname); !said) co_return said;
  if (settings.tls == Tls::off || implicit) co_return Result<void>{};
  if (!capabilities_.starttls) {
    if (settings.tls == Tls::opportunistic) co_return Result<void>{};
    co_return fail(Errc::invalid, "offers no STARTTLS, and tls = \"verify\" asks for it");
  }
  if (auto started = co_await start_tls(settings); !started) co_return started;
  // What was said in clear may have been anybody's (RFC 3207 section 4.2).
  co_return co_await hello(settings.hostname);
}

awaitable<Result<void>> Upstream::start_tls(const UpstreamSettings& settings) {
  static constexpr std::string_view command = "STARTTLS\r\n";
  if (auto sent = co_await say(command); !sent) co_return sent;
  const auto reply = co_await read_reply(timeouts_.command);
  if (!reply) co_return std::unexpected(reply.error());
  if (reply->code != 220) {
    co_return fail(Errc::invalid,
                   fmt::format("answered STARTTLS with {}", printable(trim(reply->text))));
  }
  // Put there in clear, to be read as if it came under TLS.
  if (!input_.empty()) co_return fail(Errc::invalid, "spoke on between STARTTLS and TLS");
  capabilities_ = {};
  co_return co_await secure_with(settings);
}

awaitable<Result<void>> Upstream::secure_with(const UpstreamSettings& settings) {
  auto secured = std::make_unique<TlsStream>(std::move(stream_), settings.context,
                                             TlsStream::Role::client, settings.server_name);
  TlsStream& tls = *secured;
  stream_ = std::move(secured);
  if (auto shaken = co_await tls.handshake(timeouts_.handshake); !shaken) co_return shaken;
  secure_ = true;
  if (log::enabled(log::Level::debug)) {
    log::debug(
        fmt::format("upstream {}: {} {}", settings.server_name, tls.protocol(), tls.cipher()));
  }
  co_return Result<void>{};
}

std::chrono::milliseconds Upstream::limit_of(const Plan::Forward& forward) const {
  return forward.what == Plan::Asked::data ? timeouts_.data : timeouts_.rcpt;
}

Answers Upstream::lost(Answers answers, const Error& error) {
  answers.why = error.text;
  answers.failure = make_reply(451, "4.4.2", "the upstream server was lost, try again later");
  answers.gone =
      error.code == Errc::closed || error.code == Errc::io || error.code == Errc::invalid;
  return answers;
}

// A reply that is there before its command would answer the wrong one.
awaitable<Result<void>> Upstream::say(std::string_view commands) {
  if (!input_.empty()) co_return fail(Errc::invalid, "more replies than commands");
  co_return co_await write_all(*stream_, commands, timeouts_.command);
}

awaitable<Result<Reply>> Upstream::ask_one(std::string line, std::chrono::milliseconds limit) {
  if (auto sent = co_await say(line); !sent) co_return std::unexpected(sent.error());
  auto reply = co_await read_reply(limit);
  if (reply && !input_.empty()) co_return fail(Errc::invalid, "more replies than commands");
  co_return reply;
}

awaitable<Result<void>> Upstream::reset() {
  if (!std::exchange(needs_reset_, false)) co_return Result<void>{};
  const auto reply = co_await ask_one("RSET\r\n", timeouts_.command);
  if (!reply) co_return std::unexpected(reply.error());
  if (reply->code == 250) co_return Result<void>{};
  const auto code = reply->code == 421 ? Errc::closed : Errc::invalid;
  co_return fail(code, fmt::format("answered RSET with {}", reply->code));
}

awaitable<Result<void>> Upstream::identify(const wire::ClientFacts& client) {
  const auto attributes = wire::xclient_attributes(client);
  auto lines = wire::attribute_lines("XCLIENT", attributes, capabilities_.xclient);
  if (lines.empty()) co_return fail(Errc::unsupported, "does not offer XCLIENT to us");
  if (lines == told_of_) co_return Result<void>{};
  if (auto clean = co_await reset(); !clean) co_return clean;
  told_of_.clear();
  for (const auto& line : lines) {
    const auto reply = co_await ask_one(line, timeouts_.command);
    if (!reply) co_return std::unexpected(reply.error());
    if (reply->code != 220 && reply->code != 250) {
      co_return fail(Errc::invalid,
                     fmt::format("answered XCLIENT with {}", printable(trim(reply->text))));
    }
  }
  // It starts over, as if the client itself had come.
  const bool named = is_host_name(client.helo) || client.helo.starts_with('[');
  if (auto greeted = co_await hello(named ? std::string(client.helo) : std::string("[127.0.0.1]"));
      !greeted) {
    co_return greeted;
  }
  told_of_ = std::move(lines);
  co_return Result<void>{};
}

// For the transaction to come; what is not offered is not told.
awaitable<Result<void>> Upstream::tell_forwarded(const wire::ClientAttributes& attributes) {
  const auto lines = wire::attribute_lines("XFORWARD", attributes, capabilities_.xforward);
  if (lines.empty()) co_return Result<void>{};
  // A RSET would take it back.
  if (auto clean = co_await reset(); !clean) co_return clean;
  for (const auto& line : lines) {
    const auto reply = co_await ask_one(line, timeouts_.command);
    if (!reply) co_return std::unexpected(reply.error());
    if (reply->code == 421) co_return fail(Errc::closed, "answered XFORWARD with 421");
    if (!reply->positive()) {
      log::warning(
          fmt::format("the upstream does not take XFORWARD: {}", printable(trim(reply->text))));
    }
  }
  co_return Result<void>{};
}

awaitable<Answers> Upstream::ask(const Plan& plan) {
  static constexpr std::string_view reset = "RSET\r\n";
  Answers answers;
  if (!plan.forwarded.empty()) {
    if (auto told = co_await tell_forwarded(plan.forwarded); !told) {
      co_return lost(std::move(answers), told.error());
    }
  }
  const bool with_reset = std::exchange(needs_reset_, false);
  const bool pipelining = capabilities_.pipelining;
  std::string_view unsent = plan.octets;
  const auto send_up_to = [&](std::size_t end) {
    const auto piece = unsent.substr(0, end - (plan.octets.size() - unsent.size()));
    unsent.remove_prefix(piece.size());
    return say(piece);
  };

  if (with_reset) {
    const std::string batch =
        pipelining ? fmt::format("{}{}", reset, plan.octets) : std::string(reset);
    if (pipelining) unsent = {};
    if (auto sent = co_await say(batch); !sent) {
      co_return lost(std::move(answers), sent.error());
    }
    const auto reply = co_await read_reply(timeouts_.command);
    if (!reply) co_return lost(std::move(answers), reply.error());
    if (reply->code != 250) {
      const auto code = reply->code == 421 ? Errc::closed : Errc::invalid;
      co_return lost(std::move(answers), {code, fmt::format("answered RSET with {}", reply->code)});
    }
  } else if (pipelining) {
    if (auto sent = co_await send_up_to(plan.octets.size()); !sent) {
      co_return lost(std::move(answers), sent.error());
    }
  }

  if (plan.mail_end != 0) {
    if (!pipelining) {
      if (auto sent = co_await send_up_to(plan.mail_end); !sent)
        co_return lost(std::move(answers), sent.error());
    }
    auto reply = co_await read_reply(timeouts_.mail);
    if (!reply) co_return lost(std::move(answers), reply.error());
    answers.mail = *std::move(reply);
    // Without PIPELINING nothing has to follow a refused MAIL.
    if (!pipelining && !answers.mail->accepts()) co_return answers;
  }
  answers.replies.reserve(plan.forwards.size());
  for (const auto& forward : plan.forwards) {
    if (!pipelining) {
      if (auto sent = co_await send_up_to(forward.end); !sent)
        co_return lost(std::move(answers), sent.error());
    }
    // Of a batch most have come with the first.
    auto taken = take_reply();
    if (taken && *taken) {
      answers.replies.push_back(**std::move(taken));
      continue;
    }
    auto reply = co_await read_reply(limit_of(forward));
    if (!reply) co_return lost(std::move(answers), reply.error());
    answers.replies.push_back(*std::move(reply));
  }
  // One too many: which of them answered what cannot be known any more, so none is believed.
  if (!input_.empty()) co_return lost({}, {Errc::invalid, "more replies than commands"});
  co_return answers;
}

awaitable<Result<void>> Upstream::send(std::span<const std::string_view> pieces) {
  const auto written = stream_->write_now(pieces);
  if (!written) co_return std::unexpected(written.error());
  std::size_t taken = *written;
  std::string rest;
  for (const auto piece : pieces) {
    const auto skipped = std::min(taken, piece.size());
    taken -= skipped;
    rest += piece.substr(skipped);
  }
  if (rest.empty()) co_return Result<void>{};
  if (auto ready = co_await stream_->wait_writable(timeouts_.data_block); !ready) co_return ready;
  co_return co_await write_all(*stream_, rest, timeouts_.data_block);
}

awaitable<Result<Reply>> Upstream::finish() {
  auto reply = co_await read_reply(timeouts_.data_end);
  if (!reply || input_.empty()) co_return reply;
  // A server may announce its end at any time (RFC 5321 section 3.8): that takes nothing back of
  // what it said before.
  const auto next = wire::parse_reply(input_);
  const bool farewell = next.state == ParsedReply::State::complete && next.reply.code == 421;
  if (farewell && next.consumed == input_.size()) co_return reply;
  co_return fail(Errc::invalid, "more replies than commands");
}

bool Upstream::quiet() {
  std::array<char, 1024>
      buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by read_now
  const auto got = stream_->read_now(buffer);
  if (!got) return false;
  input_.append(buffer.data(), *got);
  return input_.empty();
}

std::optional<Reply> Upstream::early_refusal() {
  static_cast<void>(quiet());
  auto parsed = wire::parse_reply(input_);
  if (parsed.state != ParsedReply::State::complete || parsed.consumed != input_.size())
    return std::nullopt;
  if (parsed.reply.code < 400 || parsed.reply.code == 421 || parsed.reply.code == 530)
    return std::nullopt;
  return std::move(parsed.reply);
}

void Upstream::quit() {
  static constexpr std::string_view line = "QUIT\r\n";
  // Best effort: whether it is heard changes nothing for us.
  static_cast<void>(stream_->write_now({&line, 1}));
  stream_->close();
}

}  // namespace postern::proxy
