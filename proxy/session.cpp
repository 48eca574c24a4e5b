#include "proxy/session.h"

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "proxy/answered.h"
#include "proxy/copies.h"
#include "proxy/session_message.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/compile.h>
#include <fmt/format.h>

namespace postern::proxy {

using boost::asio::awaitable;
using wire::make_reply;
using wire::Reply;

namespace {

// Copies of a message whose 250 the client may not have read (DESIGN.md 6).
constexpr std::chrono::hours on_record_unread{1};
// Of a message's copies: a client waits ten minutes for the reply to its end (RFC 5321 section
// 4.5.3.2.6), and would send it again meanwhile.
constexpr std::chrono::minutes longest_delivery{8};
// For what return addresses stand for, which goes on record within seconds or not at all.
constexpr std::chrono::seconds longest_record{15};
// Of a held message, where the upstream names no limit.
constexpr std::uint64_t longest_held = 1ULL << 30U;

// Whose octets nobody else can read without TLS.
bool is_local(const IpAddress& peer) { return contains(loopback_networks(), peer); }

Reply connection_lost() {
  return make_reply(421, "4.4.2", "the connection to your mail server was lost, connect again");
}

Dialogue::Rules rules_of(const SessionSettings& settings, const IpAddress& peer, bool contexts,
                         std::function<bool()> may_send) {
  return {.hostname = settings.hostname,
          .max_recipients = settings.limits.recipients,
          .max_errors = settings.limits.errors,
          .return_domain = settings.returns && contexts,
          .max_size = settings.listener_limits.size,
          .starttls = settings.tls.mode == ListenerConfig::Tls::starttls,
          .auth = settings.auth,
          .auth_in_clear = settings.auth && is_local(peer),
          .must_authenticate = settings.auth && !contains(settings.trusted, peer),
          .chunking = true,
          .xforward = contains(settings.xforward, peer),
          .may_send = std::move(may_send)};
}

}  // namespace

bool may_send(const SessionContext& context, const SessionSettings& settings,
              std::string_view login, const IpAddress& address) {
  if (settings.listener_limits.messages_per_minute == 0 || context.clients == nullptr) return true;
  const bool may = context.clients->may_send(context.listener, login, address,
                                             settings.listener_limits.messages_per_minute,
                                             std::chrono::steady_clock::now());
  if (may) return true;
  if (settings.counts) settings.counts->over_rate();
  if (context.warnings != nullptr) {
    context.warnings->warn(
        fmt::format("listener {}: 452 4.7.1 to more than {} messages a minute", settings.listener,
                    settings.listener_limits.messages_per_minute),
        ", of client=" + to_string(address), std::chrono::steady_clock::now());
  }
  return false;
}

Session::Session(std::string id, std::unique_ptr<Stream> client, IpAddress peer,
                 SessionContext context, std::shared_ptr<const SessionSettings> settings)
    : ClientSide(
          std::move(id), std::move(client), peer, context.buffer,
          rules_of(*settings, peer, context.contexts != nullptr,
                   [this] { return may_send(context_, *settings_, gatekeeper_.login(), peer_); }),
          gatekeeper_, *settings),
      context_(context),
      settings_(std::move(settings)),
      gatekeeper_({.session = id_,
                   .address = peer_,
                   .may_relay = contains(settings_->trusted, peer_),
                   .listener = settings_->listener,
                   .links = context_.link_keys != nullptr && !settings_->links_url.empty(),
                   .returns = settings_->returns.get(),
                   .contexts = context_.contexts,
                   .partial = context_.partial},
                  context_.contacts, context_.findings, settings_->streams, context_.clock,
                  context_.traffic, settings_->counts.get(), context_.returns) {}

// Nothing is known of copies whose session was cut off by an exception.
Session::~Session() { end_pairs(context_.clock() + policy::longest_on_record); }

const Capabilities& Session::offered() const {
  return own_pool_ ? own_pool_->offered() : context_.routes.offered();
}

// Fixed where the transaction begins.
Pool& Session::pool() {
  if (own_pool_) return *own_pool_;
  if (!upstream_ && dialogue_.transaction()) {
    pool_ = &context_.routes.of_sender(dialogue_.transaction()->reverse_path);
  }
  return pool_ != nullptr ? *pool_ : context_.routes.last();
}

void Session::warn_of_upstream(const Pool& pool, std::string_view why) const {
  log::warning(fmt::format("{} {}: {}", id_, context_.routes.label(pool), why));
}

wire::ClientFacts Session::facts() const {
  return {.address = peer_,
          .helo = dialogue_.helo(),
          .extended = dialogue_.extended(),
          .login = gatekeeper_.login()};
}

void Session::drain() {
  ClientSide::drain();
  if (!awaiting_command_ && upstream_ && !relaying_) upstream_->cancel();
}

awaitable<void> Session::run() {
  bool open = co_await greet();
  while (open && !draining_) {
    // Of a chunk that is refused the reply comes behind its octets; what it ends is over at once.
    const auto decided = [](const Plan& plan) { return !plan.replies.empty() || plan.abandons; };
    Plan plan = take({}, offered());
    if (!decided(plan)) {
      const auto got = co_await receive_commands(chunks_until());
      if (!got) {
        open = false;
        break;
      }
      // The client goes on: it has read what we said.
      release_copies({});
      plan = take(*got, offered());
    }
    if (decided(plan)) open = co_await serve(std::move(plan));
  }
  if (open && draining_) co_await farewell({Errc::cancelled, "draining"});
  release_copies(context_.clock() + on_record_unread);
  dialogue_.end_transaction({.campaign = message_ ? message_->flow.campaign() : std::string()});
  give_up_message();
  upstream_.give_back_open();
  client_->close();
}

awaitable<bool> Session::serve(Plan plan) {
  if (plan.abandons) {
    give_up_message();
    upstream_.give_back_open();
  }
  Dialogue::Settled settled;
  if (!plan.forwards.empty()) {
    settled = co_await ask_upstream(plan);
  } else if (plan.own_data || plan.chunk) {
    settled = dialogue_.settle(plan, {});
  }
  // A message in chunks has its answer at its end.
  if (own_pool_ && own_pool_->is_lost() && !message_) end_behind_failure(plan);
  if (!co_await send_replies(plan, settled.go_ahead)) {
    // The upstream may be waiting for data: only closing tells it that none will come.
    if (settled.go_ahead) upstream_.drop();
    co_return false;
  }
  if (settled.go_ahead && plan.chunk)
    co_return co_await relay_chunk(*plan.chunk, settled.data_held);
  if (settled.go_ahead) co_return co_await relay_message(settled.data_held);
  if (plan.starts_tls) co_return co_await start_tls();
  if (plan.auth) co_return co_await authenticate(*std::move(plan.auth));
  co_return true;
}

// The upstream knew the client by the connection that is gone: nothing can be asked of it any more.
void Session::end_behind_failure(Plan& plan) {
  const auto failed = std::ranges::find_if(plan.replies, &Reply::transient);
  if (failed != plan.replies.end()) plan.replies.erase(failed, plan.replies.end());
  plan.replies.push_back(connection_lost());
  plan.asks_data = false;
  plan.ends_session = true;
}

awaitable<Dialogue::Settled> Session::ask_upstream(Plan& plan) {
  if (plan.mail_end != 0 && dialogue_.transaction()->returns) {
    if (auto failed = co_await keep_context()) {
      Answers answers;
      answers.failure = std::move(failed);
      co_return dialogue_.settle(plan, std::move(answers));
    }
  }
  auto answers = co_await ask_once(plan, false);
  const bool went_away = answers.mail ? answers.mail->code == 421 : answers.gone;
  if (upstream_ && upstream_.reused() && plan.mail_end != 0 && went_away && !draining_ &&
      !own_pool_) {
    // It had served before and is of no use now. The client was told nothing of what was said on
    // it, and no end of data was sent.
    log::info(fmt::format("{} upstream {}: a new connection is asked: {}", id_, pool().name(),
                          answers.mail ? "it said 421" : answers.why));
    upstream_.drop();
    answers = co_await ask_once(plan, true);
  }
  if (answers.failure) warn_of_upstream(pool(), answers.why);
  auto settled = dialogue_.settle(plan, std::move(answers));
  if (settled.drop_upstream) upstream_.drop();
  // Where no transaction is open upstream, somebody else can use the connection.
  const auto& transaction = dialogue_.transaction();
  if (!transaction || !transaction->sent) upstream_.give_back_open();
  co_return settled;
}

// Of the address that MAIL carries.
awaitable<std::optional<Reply>> Session::keep_context() {
  const auto& transaction = *dialogue_.transaction();
  const auto& returns = *transaction.returns;
  if (!returns.rewrites(*transaction.stream)) co_return std::nullopt;
  std::vector<policy::ReturnContexts::Entry> entries;
  entries.push_back(returns.context(*transaction.stream, transaction.reverse_path));
  co_return co_await keep_contexts(std::move(entries));
}

// The reply where they are not on record (DESIGN.md 8): then no address of theirs may leave.
awaitable<std::optional<Reply>> Session::keep_contexts(
    std::vector<policy::ReturnContexts::Entry> entries) {
  auto& contexts = *context_.contexts;
  std::erase_if(entries, [&](const auto& entry) { return contexts.on_record(entry); });
  if (entries.empty()) co_return std::nullopt;
  const auto kept = co_await answered(
      [&contexts, &entries](Answer done) { contexts.keep(std::move(entries), std::move(done)); },
      longest_record);
  if (kept) co_return std::nullopt;
  log::error(fmt::format("{} deferred: the return addresses cannot be put on record: {}", id_,
                         kept.error().text));
  co_return make_reply(451, "4.3.0", "the gate cannot make return addresses now, try again later");
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
    const auto client = facts();
    auto lease = co_await pool().acquire(&client, fresh);
    if (!lease && lease.error().code == Errc::unsupported) {
      auto answers = failed("4.3.5", {}, lease.error().text);
      answers.failure = make_reply(
          451, "4.3.5", "the upstream server cannot be told who the client is, try again later");
      co_return answers;
    }
    if (!lease) {
      const bool busy = lease.error().code == Errc::busy;
      co_return failed("4.4.1", busy ? "is busy" : "cannot be reached", lease.error().text);
    }
    upstream_ = *std::move(lease);
    looked_at = upstream_.reused();
  }
  const auto extension = missing(upstream_->capabilities(), dialogue_.transaction()->needs);
  if (!extension.empty()) {
    // A new one has just told what it offers; what it withholds from one client it did not take
    // back.
    const auto& needs = dialogue_.transaction()->needs;
    if (upstream_.reused() && !missing(upstream_->opened_with(), needs).empty()) {
      pool().forget_capabilities();
    }
    co_return failed("4.4.2", fmt::format("offers no {} now", extension),
                     fmt::format("offers no {} any more", extension));
  }
  if (!looked_at && !upstream_->quiet())
    co_return failed("4.4.2", "was lost", "closed, or spoke without being asked");
  co_return co_await upstream_->ask(plan);
}

std::string Session::trace() const {
  return settings_->received_header ? ClientSide::trace(context_.clock()) : std::string();
}

LinkMaking Session::links() const {
  if (context_.link_keys == nullptr || settings_->links_url.empty()) return {};
  const auto days = std::chrono::floor<std::chrono::days>(context_.clock().time_since_epoch());
  return {.url = settings_->links_url,
          .keys = (*context_.link_keys)(),
          .day = static_cast<std::uint32_t>(days.count())};
}

awaitable<bool> Session::relay_message(bool data_held) {
  Message message(*this, data_held);
  MessageFlow& flow = message.flow;
  std::string first = std::exchange(pending_, {});  // came behind DATA
  relaying_ = true;
  while (!flow.finished()) {
    std::string_view octets = first;
    if (first.empty()) {
      const auto limit = patience(flow.octets(), message.begun, settings_->timeouts.data_block);
      const auto got = co_await receive(limit, context_.buffer.size());
      if (!got) {
        co_await cut_short(message, got.error());
        co_return false;
      }
      octets = *got;
    }
    // Data behind our 354: the client has read what we said before.
    release_copies({});
    const auto output = flow.feed(octets);
    // Before the wait: `octets` may be in the thread's buffer.
    if (flow.finished()) pending_ = octets.substr(output.consumed);
    co_await take_output(message, octets, output);
    first.clear();
  }
  co_return co_await end_message(message);
}

// What came of the octets.
awaitable<void> Session::take_output(Message& message, std::string_view octets,
                                     const MessageFlow::Output& output) {
  if (message.digest) message.digest->add(octets.substr(0, output.consumed));
  if (message.plan.owes_contexts()) {
    co_await take_first_piece(message, output);
  } else {
    co_await pass_on(message, output);
  }
}

awaitable<void> Session::cut_short(const Message& message, Error error) {
  upstream_.drop();
  log::info(fmt::format("{} message cut short: {}", id_, error.text));
  dialogue_.end_transaction({.campaign = message.flow.campaign()});
  co_await farewell(std::move(error));
}

// Its end has come: the reply.
awaitable<bool> Session::end_message(Message& message) {
  const MessageFlow& flow = message.flow;
  auto reply = co_await final_reply(message);
  relaying_ = false;
  const bool lost = own_pool_ && own_pool_->is_lost();
  if (lost && reply.transient()) reply = connection_lost();
  const auto& transaction = *dialogue_.transaction();
  log::info(fmt::format(
      FMT_COMPILE("{} message stream={} from=<{}> accepted={} refused={} octets={} reply={}"), id_,
      message.plan.stream().name, printable(policy::to_string(transaction.reverse_path)),
      transaction.accepted, transaction.refused, flow.octets(), reply.code));
  if (settings_->counts) {
    settings_->counts->message(message.plan.stream(), reply);
    if (message.plan.wants_list_unsubscribe()) settings_->counts->header(message.plan.header());
  }
  for (const auto& value : message.plan.header().replaced) {
    log::info(fmt::format("{} List-Unsubscribe is replaced: {}", id_, printable(value)));
  }
  message.ending.delivered = reply.positive();
  message.ending.campaign = flow.campaign();
  message.ending.stream = &message.plan.stream();
  message.ending.refused = message.plan.take_refused();
  dialogue_.end_transaction(std::move(message.ending));
  // What came before our 250 does not show that it was read.
  if (!on_record_.empty() && read_ahead()) release_copies(context_.clock() + on_record_unread);
  co_return co_await send(reply.text) && reply.code != 421;
}

// What its return addresses stand for goes on record before anything of the message goes on.
awaitable<void> Session::take_first_piece(Message& message, const MessageFlow::Output& output) {
  // The thread's buffer is somebody else's meanwhile.
  std::string kept;
  for (const auto piece : output.pieces) kept += piece;
  message.early = co_await keep_contexts(message.plan.take_contexts());
  // Upstream it waits for a message of which nothing may come: only closing ends that.
  if (message.early && !message.data_held) upstream_.drop();
  co_await pass_on(message, {.pieces = {kept}, .consumed = output.consumed});
}

// Upstream, or to where the message is held.
awaitable<void> Session::pass_on(Message& message, const MessageFlow::Output& output) {
  if (message.early) co_return;
  if (message.plan.holds()) {
    // It has told who is a recipient, and is not needed while the message comes.
    upstream_.give_back_open();
    if (!message.flow.refused()) hold(message, output.pieces);
    co_return;
  }
  if (message.data_held && message.flow.past_header()) {
    message.data_held = false;
    // The thread's buffer is somebody else's while the upstream is asked.
    std::string kept;
    for (const auto piece : output.pieces) kept += piece;
    message.early = co_await ask_for_data();
    const std::array<std::string_view, 1> pieces{kept};
    if (!message.early) message.early = co_await forward(message.flow, pieces);
    co_return;
  }
  if (message.flow.refused() && message.data_held) {
    upstream_.give_back_open();
    co_return;
  }
  message.early = co_await forward(message.flow, output.pieces);
}

void Session::hold(Message& message, std::span<const std::string_view> pieces) {
  for (const auto piece : pieces) {
    const auto kept = message.body.append(piece);
    if (kept) continue;
    log::error(fmt::format("{} deferred: {}", id_, kept.error().text));
    message.early = make_reply(452, "4.3.1", "no room to keep the message, try again later");
    break;
  }
  const auto named = offered().size_limit;
  const auto limit = named != 0 ? named : longest_held;
  if (message.body.size() > limit) {
    message.early =
        make_reply(552, "5.3.4", fmt::format("message size exceeds the limit of {} octets", limit));
  }
  if (message.early) message.body.clear();
}

// The upstream's answer where it is no 354: it answers the message's end.
awaitable<std::optional<Reply>> Session::ask_for_data() {
  Plan plan;
  plan.octets = "DATA\r\n";
  plan.forwards.push_back({Plan::Asked::data, 0, plan.octets.size()});
  const auto answers = co_await ask_once(plan, false);
  if (!answers.replies.empty() && answers.replies.front().code == 354) co_return std::nullopt;
  upstream_.drop();
  const bool answered = !answers.replies.empty() && answers.replies.front().code >= 400 &&
                        answers.replies.front().code != 421 && answers.replies.front().code != 530;
  if (answered) co_return answers.replies.front();
  warn_of_upstream(pool(), answers.why);
  co_return answers.failure.value_or(
      make_reply(451, "4.4.2", "the upstream server gave no usable answer, try again later"));
}

// The upstream's refusal, where it came before the end of data.
awaitable<std::optional<Reply>> Session::forward(const MessageFlow& flow,
                                                 std::span<const std::string_view> pieces) {
  if (!upstream_) co_return std::nullopt;
  if (flow.refused()) {
    upstream_.drop();
    co_return std::nullopt;
  }
  if (std::ranges::all_of(pieces, &std::string_view::empty)) co_return std::nullopt;
  // A reply before the end of data is no answer to the message: the end is not sent, so it is not
  // taken.
  const bool spoke = flow.finished() && !upstream_->quiet();
  const auto sent = spoke ? fail(Errc::invalid, "closed, or spoke before the end of data")
                          : co_await upstream_->send(pieces);
  if (sent) co_return std::nullopt;
  auto refusal = upstream_->early_refusal();
  if (!refusal) warn_of_upstream(pool(), sent.error().text);
  upstream_.drop();
  co_return refusal;
}

// 250 only where the upstream said it (DESIGN.md 1).
awaitable<Reply> Session::final_reply(Message& message) {
  if (message.flow.refused() || message.early) {
    // Nothing of it is upstream but its envelope.
    if (message.plan.holds() || message.data_held) upstream_.give_back_open();
    co_return message.flow.refused() ? *message.flow.refused() : *message.early;
  }
  if (message.plan.holds()) co_return co_await send_copies(message);
  if (upstream_) {
    auto reply = co_await upstream_->finish();
    const bool refuses = reply && (reply->transient() || reply->permanent()) &&
                         reply->code != 421 && reply->code != 530;
    if (reply && (reply->accepts() || refuses)) {
      upstream_.give_back();
      if (settings_->counts) settings_->counts->upstream_reply(*reply);
      tell_refusal(*reply);
      co_return *std::move(reply);
    }
    warn_of_upstream(
        pool(), fmt::format("{} at the end of data",
                            reply ? fmt::format("answered {}", reply->code) : reply.error().text));
    upstream_.drop();
  }
  co_return make_reply(451, "4.4.2",
                       "the upstream server was lost before it took the message, try again later");
}

// A refusal of the message is about its recipient where it has one alone.
void Session::tell_refusal(const Reply& reply) {
  const auto& transaction = *dialogue_.transaction();
  if (!reply.permanent() || transaction.accepted != 1) return;
  const auto passed = std::ranges::find(transaction.told, policy::Reason::none,
                                        [](const Judged& judged) { return judged.passage.reason; });
  if (passed == transaction.told.end()) return;
  gatekeeper_.refused_upstream(passed->recipient, *transaction.stream, transaction.reverse_path,
                               reply, false);
}

awaitable<Reply> Session::send_copies(Message& message) {
  if (is_gone()) {
    // It sends the message again, and may have done so already: nobody gets it by both.
    log::info(fmt::format("{} client left before its message was delivered", id_));
    co_return make_reply(451, "4.4.2", "the client is gone");
  }
  const auto client = facts();
  Copies copies({.pool = pool(),
                 .client = &client,
                 .ledger = context_.ledger,
                 .clock = context_.clock,
                 .buffer = context_.buffer,
                 .connections = settings_->split_connections,
                 .hostname = settings_->hostname,
                 .id = id_,
                 .arrived = message.arrived,
                 .counts = settings_->counts.get(),
                 .until = std::chrono::steady_clock::now() + longest_delivery},
                *dialogue_.transaction(), message.plan, message.body, message.digest->finish());
  begin_pairs();
  auto outcome = co_await copies.deliver();
  message.ending.missed = std::move(outcome.missed);
  for (const auto& [recipient, reply, at_rcpt] : outcome.refused) {
    gatekeeper_.refused_upstream(recipient, message.plan.stream(),
                                 dialogue_.transaction()->reverse_path, reply, at_rcpt);
  }
  if (outcome.reply.positive()) {
    on_record_ = std::move(outcome.on_record);
    // As with a message that flows through, the next one that is the same is one to be sent.
    if (on_record_.size() == 1 && outcome.sent == 1) release_copies({});
  } else {
    const bool partial = outcome.sent + outcome.sent_before > 0;
    end_pairs(partial ? context_.clock() + policy::longest_on_record : Time{});
  }
  log::info(fmt::format("{} copies sent={} before={} reply={}", id_, outcome.sent,
                        outcome.sent_before, outcome.reply.code));
  co_return std::move(outcome.reply);
}

// DESIGN.md 6: tomorrow's identical alert must not be swallowed behind a 250.
void Session::release_copies(Time until) {
  end_pairs(until);
  if (on_record_.empty() || context_.ledger == nullptr) return;
  context_.ledger->keep_until(std::exchange(on_record_, {}), until);
}

void Session::begin_pairs() {
  if (context_.partial == nullptr) return;
  const auto& transaction = *dialogue_.transaction();
  const auto sender = policy::to_string(transaction.reverse_path);
  for (const auto& recipient : transaction.recipients_told) {
    pairs_.push_back(PartialDeliveries::pair_of(sender, policy::canonical(recipient.path).text));
  }
  context_.partial->begin(pairs_, context_.clock());
}

void Session::end_pairs(Time until) {
  if (pairs_.empty()) return;
  context_.partial->end(std::exchange(pairs_, {}), until, context_.clock());
}

}  // namespace postern::proxy
