#include "proxy/session.h"

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace postern::proxy {

using boost::asio::awaitable;
using wire::make_reply;
using wire::Reply;

namespace {

// For the last word to a client that may not be reading any more.
constexpr std::chrono::seconds farewell_limit{5};
// What a session keeps of its input while it waits for more.
constexpr std::size_t idle_capacity = 512;

Dialogue::Rules rules_for(const SessionSettings& settings, const IpAddress& peer) {
  const auto trusts = [&](const Network& network) { return network.contains(peer); };
  return {.hostname = settings.hostname,
          .may_relay = std::ranges::any_of(settings.trusted, trusts),
          .max_recipients = settings.limits.recipients,
          .max_errors = settings.limits.errors};
}

}  // namespace

Session::Session(std::string id, std::unique_ptr<Stream> client, IpAddress peer,
                 SessionContext context, std::shared_ptr<const SessionSettings> settings)
    : id_(std::move(id)),
      client_(std::move(client)),
      peer_(peer),
      context_(context),
      settings_(std::move(settings)),
      gatekeeper_(id_, context_.contacts, settings_->streams, context_.clock),
      dialogue_(rules_for(*settings_, peer_), gatekeeper_) {}

void Session::drain() {
  draining_ = true;
  if (awaiting_command_) client_->cancel();
}

awaitable<void> Session::run() {
  bool open = co_await send(dialogue_.greeting().text);
  while (open) {
    Plan plan = take({});
    if (plan.replies.empty()) {
      awaiting_command_ = true;
      const auto got = draining_ ? fail(Errc::cancelled, "draining")
                                 : co_await receive(settings_->timeouts.command);
      awaiting_command_ = false;
      if (!got) {
        co_await farewell(got.error());
        break;
      }
      plan = take(*got);
    }
    if (!plan.replies.empty()) open = co_await serve(std::move(plan));
  }
  upstream_.give_back_open();
  client_->close();
}

Plan Session::take(std::string_view octets) {
  const bool direct = pending_.empty();
  if (!direct) pending_ += octets;
  std::string_view input = direct ? octets : std::string_view(pending_);
  const auto before = input.size();
  Plan plan = dialogue_.take(input, context_.pool.offered());
  if (direct) {
    pending_ = input;
  } else {
    pending_.erase(0, before - input.size());
  }
  if (pending_.empty() && pending_.capacity() > idle_capacity) pending_ = {};
  return plan;
}

// The view is into the thread's buffer: it must be used up before the next co_await.
awaitable<Result<std::string_view>> Session::receive(std::chrono::milliseconds limit) {
  for (;;) {
    if (auto ready = co_await client_->wait_readable(limit); !ready)
      co_return std::unexpected(ready.error());
    const auto got = client_->read_now(context_.buffer);
    if (!got) co_return std::unexpected(got.error());
    if (*got > 0) co_return std::string_view(context_.buffer.data(), *got);
  }
}

awaitable<bool> Session::serve(Plan plan) {
  if (plan.abandons) upstream_.give_back_open();
  Dialogue::Settled settled;
  if (!plan.forwards.empty()) settled = co_await ask_upstream(plan);
  std::string replies;
  for (const auto& reply : plan.replies) replies += reply.text;
  bool open = !plan.ends_session;
  if (plan.asks_data && !settled.go_ahead && !pending_.empty()) {
    // Sent before our 354, so the client meant it as data: it is never read as commands.
    replies += make_reply(421, "4.7.0", "data sent before the go-ahead").text;
    open = false;
  }
  if (log::enabled(log::Level::debug))
    log::debug(fmt::format("{} <- {}", id_, printable(trim(replies), 2000)));
  if (!co_await send(std::move(replies))) {
    // The upstream may be waiting for data: only closing tells it that none will come.
    if (settled.go_ahead) upstream_.drop();
    co_return false;
  }
  if (settled.go_ahead) co_return co_await relay_message();
  co_return open;
}

awaitable<Dialogue::Settled> Session::ask_upstream(Plan& plan) {
  auto answers = co_await ask_once(plan, false);
  const bool went_away = answers.mail ? answers.mail->code == 421 : answers.gone;
  if (upstream_ && upstream_.reused() && plan.mail_end != 0 && went_away) {
    // A connection that had served before died on us, and nothing was agreed on it yet.
    upstream_.drop();
    answers = co_await ask_once(plan, true);
  }
  auto settled = dialogue_.settle(plan, std::move(answers));
  if (settled.drop_upstream) upstream_.drop();
  if (!dialogue_.transaction()) upstream_.give_back_open();
  co_return settled;
}

awaitable<Answers> Session::ask_once(const Plan& plan, bool fresh) {
  Answers answers;
  if (!upstream_) {
    if (plan.mail_end == 0) {
      answers.failure = make_reply(451, "4.4.2", "the upstream server was lost, try again later");
      co_return answers;
    }
    auto lease = co_await context_.pool.acquire(fresh);
    if (!lease) {
      log::warning(fmt::format("{} upstream: {}", id_, lease.error().text));
      const auto* const text = lease.error().code == Errc::busy
                                   ? "the upstream server is busy, try again later"
                                   : "the upstream server cannot be reached, try again later";
      answers.failure = make_reply(451, "4.4.1", text);
      co_return answers;
    }
    upstream_ = *std::move(lease);
    const auto& needs = dialogue_.transaction()->needs;
    if (const auto extension = missing(upstream_->capabilities(), needs); !extension.empty()) {
      upstream_.give_back();
      context_.pool.forget_capabilities();
      log::warning(fmt::format("{} upstream: offers no {} any more", id_, extension));
      answers.failure = make_reply(
          451, "4.4.2",
          fmt::format("the upstream server offers no {} now, try again later", extension));
      co_return answers;
    }
  } else if (!upstream_->quiet()) {
    log::warning(fmt::format("{} upstream: closed, or spoke without being asked", id_));
    answers.failure = make_reply(451, "4.4.2", "the upstream server was lost, try again later");
    co_return answers;
  }
  co_return co_await upstream_->ask(plan);
}

std::string Session::trace() const {
  if (!settings_->received_header) return {};
  const auto peer = to_string(peer_);
  const auto date = format_mail_date(context_.clock());
  return received_line({.helo = dialogue_.helo(),
                        .peer = peer,
                        .hostname = settings_->hostname,
                        .id = id_,
                        .date = date,
                        .extended = dialogue_.extended(),
                        .utf8 = dialogue_.transaction()->parameters.smtputf8});
}

awaitable<bool> Session::relay_message() {
  MessageFlow flow(trace(), {.header = settings_->limits.header, .hops = settings_->limits.hops});
  std::string first = std::exchange(pending_, {});  // came behind DATA
  while (!flow.finished()) {
    std::string_view octets = first;
    if (first.empty()) {
      const auto got = co_await receive(settings_->timeouts.data_block);
      if (!got) {
        upstream_.drop();
        log::info(fmt::format("{} message cut short: {}", id_, got.error().text));
        co_await farewell(got.error());
        co_return false;
      }
      octets = *got;
    }
    const auto output = flow.feed(octets);
    // Before the wait: `octets` may be in the thread's buffer.
    if (flow.finished()) pending_ = octets.substr(output.consumed);
    co_await forward(flow, output);
    first.clear();
  }
  const auto reply = co_await final_reply(flow);
  const auto& transaction = *dialogue_.transaction();
  log::info(fmt::format("{} message stream={} from=<{}> accepted={} refused={} octets={} reply={}",
                        id_, transaction.stream->name,
                        printable(policy::to_string(transaction.reverse_path)),
                        transaction.accepted, transaction.refused, flow.octets(), reply.code));
  dialogue_.end_transaction();
  co_return co_await send(reply.text);
}

awaitable<void> Session::forward(const MessageFlow& flow, const MessageFlow::Output& output) {
  if (!upstream_) co_return;
  if (flow.refused()) {
    upstream_.drop();
    co_return;
  }
  if (std::ranges::all_of(output.pieces, &std::string_view::empty)) co_return;
  if (flow.finished() && !upstream_->quiet()) {
    // A reply before the end of data is nobody's answer: the end is not sent, so the message is not
    // taken.
    log::warning(fmt::format("{} upstream: closed, or spoke before the end of data", id_));
    upstream_.drop();
    co_return;
  }
  if (const auto sent = co_await upstream_->send(output.pieces); !sent) {
    log::warning(fmt::format("{} upstream: {}", id_, sent.error().text));
    upstream_.drop();
  }
}

// 250 only where the upstream said it (DESIGN.md 1).
awaitable<Reply> Session::final_reply(const MessageFlow& flow) {
  if (flow.refused()) co_return *flow.refused();
  if (upstream_) {
    auto reply = co_await upstream_->finish();
    if (reply && reply->code != 421 && reply->code != 530 && !reply->intermediate()) {
      upstream_.give_back();
      co_return *std::move(reply);
    }
    log::warning(fmt::format("{} upstream: {} at the end of data", id_,
                             reply ? fmt::format("answered {}", reply->code) : reply.error().text));
    upstream_.drop();
  }
  co_return make_reply(451, "4.4.2",
                       "the upstream server was lost before it took the message, try again later");
}

awaitable<bool> Session::send(std::string octets) {
  const auto sent = co_await write_all(*client_, octets, settings_->timeouts.command);
  if (!sent) log::info(fmt::format("{} client: {}", id_, sent.error().text));
  co_return sent.has_value();
}

awaitable<void> Session::farewell(Error error) {
  std::string reply;
  if (error.code == Errc::timeout) {
    reply =
        make_reply(421, "4.4.2", fmt::format("{} timeout, closing connection", settings_->hostname))
            .text;
  } else if (draining_) {
    reply = make_reply(421, "4.3.2",
                       fmt::format("{} shutting down, try again later", settings_->hostname))
                .text;
  }
  if (!reply.empty()) static_cast<void>(co_await write_all(*client_, reply, farewell_limit));
}

}  // namespace postern::proxy
