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
// Commands are short: what is read of them at a time bounds what a client that does not read its
// replies can cost.
constexpr std::size_t command_read = 64UL * 1024;

bool may_relay(const SessionSettings& settings, const IpAddress& peer) {
  return std::ranges::any_of(settings.trusted,
                             [&](const Network& network) { return network.contains(peer); });
}

}  // namespace

Session::Session(std::string id, std::unique_ptr<Stream> client, IpAddress peer,
                 SessionContext context, std::shared_ptr<const SessionSettings> settings)
    : id_(std::move(id)),
      client_(std::move(client)),
      peer_(peer),
      context_(context),
      settings_(std::move(settings)),
      gatekeeper_({.session = id_, .address = peer_, .may_relay = may_relay(*settings_, peer_)},
                  context_.contacts, context_.findings, settings_->streams, context_.clock,
                  context_.traffic),
      dialogue_({.hostname = settings_->hostname,
                 .max_recipients = settings_->limits.recipients,
                 .max_errors = settings_->limits.errors},
                gatekeeper_) {}

void Session::drain() {
  draining_ = true;
  if (awaiting_command_) {
    client_->cancel();
  } else if (upstream_ && !relaying_) {
    upstream_->cancel();
  }
}

awaitable<void> Session::run() {
  bool open = co_await send(dialogue_.greeting().text);
  while (open && !draining_) {
    Plan plan = take({});
    if (plan.replies.empty()) {
      awaiting_command_ = true;
      const auto got = co_await receive(settings_->timeouts.command, command_read);
      awaiting_command_ = false;
      if (!got) {
        co_await farewell(got.error());
        open = false;
        break;
      }
      if (log::enabled(log::Level::debug))
        log::debug(fmt::format("{} -> {}", id_, printable(*got, 2000)));
      plan = take(*got);
    }
    if (!plan.replies.empty()) open = co_await serve(std::move(plan));
  }
  if (open && draining_) co_await farewell({Errc::cancelled, "draining"});
  dialogue_.end_transaction();
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
  if (pending_.capacity() > pending_.size() + idle_capacity) pending_.shrink_to_fit();
  return plan;
}

// The view is into the thread's buffer: it must be used up before the next co_await.
awaitable<Result<std::string_view>> Session::receive(std::chrono::milliseconds limit,
                                                     std::size_t at_most) {
  const auto buffer = context_.buffer.first(std::min(at_most, context_.buffer.size()));
  for (;;) {
    if (auto ready = co_await client_->wait_readable(limit); !ready)
      co_return std::unexpected(ready.error());
    const auto got = client_->read_now(buffer);
    if (!got) co_return std::unexpected(got.error());
    if (*got > 0) co_return std::string_view(buffer.data(), *got);
    if (draining_ && awaiting_command_) co_return fail(Errc::cancelled, "draining");
  }
}

awaitable<bool> Session::serve(Plan plan) {
  if (plan.abandons) upstream_.give_back_open();
  Dialogue::Settled settled;
  if (!plan.forwards.empty()) settled = co_await ask_upstream(plan);
  std::string replies;
  replies.reserve(plan.reply_octets);
  for (const auto& reply : plan.replies) replies += reply.text;
  bool open = !plan.ends_session;
  if (plan.asks_data && !settled.go_ahead && sent_more()) {
    // Sent before our 354, so the client meant it as data: it is never read as commands.
    replies += make_reply(421, "4.7.0", "a message may follow a 354 only").text;
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

// The client did not wait for our answer.
bool Session::sent_more() {
  if (!pending_.empty()) return true;
  const auto got = client_->read_now(context_.buffer);
  return got && *got > 0;
}

awaitable<Dialogue::Settled> Session::ask_upstream(Plan& plan) {
  auto answers = co_await ask_once(plan, false);
  const bool went_away = answers.mail ? answers.mail->code == 421 : answers.gone;
  if (upstream_ && upstream_.reused() && plan.mail_end != 0 && went_away && !draining_) {
    // A connection that had served before died on us, and nothing was agreed on it yet.
    upstream_.drop();
    answers = co_await ask_once(plan, true);
  }
  if (answers.failure) log::warning(fmt::format("{} upstream: {}", id_, answers.why));
  auto settled = dialogue_.settle(plan, std::move(answers));
  if (settled.drop_upstream) upstream_.drop();
  // Where no transaction is open upstream, somebody else can use the connection.
  const auto& transaction = dialogue_.transaction();
  if (!transaction || !transaction->sent) upstream_.give_back_open();
  co_return settled;
}

awaitable<Answers> Session::ask_once(const Plan& plan, bool fresh) {
  const auto failed = [](std::string_view enhanced_status_code, std::string_view text,
                         std::string why) {
    Answers answers;
    answers.failure = make_reply(451, enhanced_status_code,
                                 fmt::format("the upstream server {}, try again later", text));
    answers.why = std::move(why);
    return answers;
  };
  // One that comes from the pool was looked at there.
  bool looked_at = false;
  if (!upstream_) {
    if (plan.mail_end == 0)
      co_return failed("4.4.2", "was lost", "lost in the middle of a transaction");
    auto lease = co_await context_.pool.acquire(fresh);
    if (!lease) {
      const bool busy = lease.error().code == Errc::busy;
      co_return failed("4.4.1", busy ? "is busy" : "cannot be reached", lease.error().text);
    }
    upstream_ = *std::move(lease);
    looked_at = upstream_.reused();
  }
  const auto extension = missing(upstream_->capabilities(), dialogue_.transaction()->needs);
  if (!extension.empty()) {
    if (upstream_.reused())
      context_.pool.forget_capabilities();  // a new one has just told what it offers
    co_return failed("4.4.2", fmt::format("offers no {} now", extension),
                     fmt::format("offers no {} any more", extension));
  }
  if (!looked_at && !upstream_->quiet())
    co_return failed("4.4.2", "was lost", "closed, or spoke without being asked");
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
  using Campaign = MessageFlow::Campaign;
  MessageFlow flow(trace(), {.header = settings_->limits.header, .hops = settings_->limits.hops},
                   context_.traffic != nullptr ? Campaign::wanted : Campaign::not_wanted);
  std::string first = std::exchange(pending_, {});  // came behind DATA
  std::optional<Reply> early;
  relaying_ = true;
  while (!flow.finished()) {
    std::string_view octets = first;
    if (first.empty()) {
      const auto got = co_await receive(settings_->timeouts.data_block, context_.buffer.size());
      if (!got) {
        upstream_.drop();
        log::info(fmt::format("{} message cut short: {}", id_, got.error().text));
        dialogue_.end_transaction(false, flow.campaign());
        co_await farewell(got.error());
        co_return false;
      }
      octets = *got;
    }
    const auto output = flow.feed(octets);
    // Before the wait: `octets` may be in the thread's buffer.
    if (flow.finished()) pending_ = octets.substr(output.consumed);
    if (!early) early = co_await forward(flow, output);
    first.clear();
  }
  const auto reply = early && !flow.refused() ? *early : co_await final_reply(flow);
  relaying_ = false;
  const auto& transaction = *dialogue_.transaction();
  log::info(fmt::format("{} message stream={} from=<{}> accepted={} refused={} octets={} reply={}",
                        id_, transaction.stream->name,
                        printable(policy::to_string(transaction.reverse_path)),
                        transaction.accepted, transaction.refused, flow.octets(), reply.code));
  dialogue_.end_transaction(reply.positive(), flow.campaign());
  co_return co_await send(reply.text);
}

// The upstream's refusal, where it came before the end of data.
awaitable<std::optional<Reply>> Session::forward(const MessageFlow& flow,
                                                 const MessageFlow::Output& output) {
  if (!upstream_) co_return std::nullopt;
  if (flow.refused()) {
    upstream_.drop();
    co_return std::nullopt;
  }
  if (std::ranges::all_of(output.pieces, &std::string_view::empty)) co_return std::nullopt;
  // A reply before the end of data is no answer to the message: the end is not sent, so it is not
  // taken.
  const bool spoke = flow.finished() && !upstream_->quiet();
  const auto sent = spoke ? fail(Errc::invalid, "closed, or spoke before the end of data")
                          : co_await upstream_->send(output.pieces);
  if (sent) co_return std::nullopt;
  auto refusal = upstream_->early_refusal();
  if (!refusal) log::warning(fmt::format("{} upstream: {}", id_, sent.error().text));
  upstream_.drop();
  co_return refusal;
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
  if (draining_) {
    reply = make_reply(421, "4.3.2",
                       fmt::format("{} shutting down, try again later", settings_->hostname))
                .text;
  } else if (error.code == Errc::timeout) {
    reply =
        make_reply(421, "4.4.2", fmt::format("{} timeout, closing connection", settings_->hostname))
            .text;
  }
  if (!reply.empty()) static_cast<void>(co_await write_all(*client_, reply, farewell_limit));
}

}  // namespace postern::proxy
