#include "proxy/copies.h"

#include "base/log.h"
#include "base/text.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace postern::proxy {

namespace asio = boost::asio;
using asio::awaitable;
using wire::make_reply;
using wire::Reply;

namespace {

// For the store, which may be compacted meanwhile; what is taken is taken.
constexpr std::chrono::seconds longest_note{30};
// An upstream that says nothing is not asked for each of a thousand copies.
constexpr int most_lost = 2;
// A report that returns a larger message returns its header section alone.
constexpr std::uint64_t longest_return = 10ULL << 20U;
constexpr std::string_view final_dot = ".\r\n";

Reply lost() {
  return make_reply(451, "4.4.2",
                    "the upstream server was lost before it took the message, try again later");
}

bool is_final(const Reply& reply) {
  return (reply.accepts() || reply.transient() || reply.permanent()) && reply.code != 421 &&
         reply.code != 530;
}

}  // namespace

// What is under way. Notes are answered on another thread, maybe when the delivery has given them
// up and its thread is gone: `open` says whether anybody may still be told.
struct Copies::Progress {
  explicit Progress(const asio::any_io_executor& executor)
      : wake(executor, asio::steady_timer::time_point::max()) {}
  std::size_t workers = 0;
  std::size_t notes = 0;
  std::size_t failed_notes = 0;
  asio::steady_timer wake;

  struct Door {
    std::mutex mutex;
    bool open = true;
  };
  std::shared_ptr<Door> door = std::make_shared<Door>();

  ~Progress() {
    const std::lock_guard lock(door->mutex);
    door->open = false;
  }
  void ended(std::size_t& what) {
    --what;
    wake.cancel();
  }
};

Copies::Copies(Context context, const Transaction& transaction, const CopyPlan& plan,
               const HeldMessage& body, const std::array<std::uint8_t, 32>& digest)
    : context_(context), transaction_(transaction), plan_(plan), body_(body) {
  const auto& recipients = transaction_.recipients_told;
  const auto sender = policy::to_string(transaction_.reverse_path);
  std::vector<const wire::Reply*> late(recipients.size());
  for (const auto& one : plan_.late()) late[one.recipient] = &one.reply;
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    Copy copy;
    copy.recipient = i;
    copy.key = policy::copy_key(sender, digest, policy::canonical(recipients[i].path).text);
    // Named twice, it is one mailbox still, and gets the message once.
    if (std::ranges::find(copies_, copy.key, &Copy::key) != copies_.end()) continue;
    if (late[i] != nullptr) {
      copy.state = late[i]->transient() ? State::deferred : State::refused;
      copy.reply = *late[i];
    }
    copies_.push_back(std::move(copy));
  }
}

std::size_t Copies::count(State state) const {
  return static_cast<std::size_t>(std::ranges::count(copies_, state, &Copy::state));
}

std::vector<policy::CopyKey> Copies::keys() const {
  std::vector<policy::CopyKey> keys;
  for (const Copy& copy : copies_) keys.push_back(copy.key);
  return keys;
}

awaitable<Copies::Outcome> Copies::deliver() {
  progress_ = std::make_shared<Progress>(co_await asio::this_coro::executor);
  const auto all = keys();
  if (context_.ledger != nullptr && !context_.ledger->begin(all)) {
    co_return Outcome{
        .reply = make_reply(451, "4.3.0", "this very message is being delivered, try again later"),
        .missed = {},
        .refused = {},
        .on_record = {}};
  }
  struct UnderWay {
    policy::Ledger* ledger;
    std::span<const policy::CopyKey> keys;
    ~UnderWay() {
      if (ledger != nullptr) ledger->end(keys);
    }
  } const under_way{context_.ledger, all};
  if (auto reply = co_await prepare()) {
    co_return Outcome{.reply = *std::move(reply), .missed = {}, .refused = {}, .on_record = {}};
  }
  co_await send_all();
  Report report = Report::not_wanted;
  if (count(State::taken) > 0 && count(State::refused) > 0 &&
      count(State::taken) + count(State::refused) == copies_.size()) {
    report = co_await report_refused();
    co_await settled();
  }
  co_return outcome(report);
}

// Whether a copy was taken before must be known, and that it is taken now must be on record: were
// it not, each retry would send it again.
awaitable<std::optional<Reply>> Copies::prepare() {
  if (context_.ledger == nullptr) co_return std::nullopt;
  const auto now = context_.clock();
  const auto taken = context_.ledger->taken(keys(), now);
  if (taken) {
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      if (!(*taken)[i]) continue;
      copies_[i].state = State::taken;
      ++sent_before_;
    }
    if (count(State::waiting) == 0) co_return std::nullopt;
    note({policy::CopyKey{}}, now - std::chrono::seconds{1});
    co_await settled();
    if (progress_->failed_notes + progress_->notes == 0) co_return std::nullopt;
  }
  log::error(fmt::format("{} deferred: the ledger of copies {}", context_.id,
                         taken ? "cannot be written" : "cannot answer: " + taken.error().text));
  co_return make_reply(451, "4.3.0",
                       "the gate cannot keep account of what is delivered, try again later");
}

awaitable<void> Copies::send_all() {
  const auto executor = co_await asio::this_coro::executor;
  const auto workers = std::min<std::size_t>(count(State::waiting), context_.connections);
  for (std::size_t i = 0; i < workers; ++i) {
    ++progress_->workers;
    asio::co_spawn(executor, work(), [progress = progress_](const std::exception_ptr& failure) {
      if (failure) log::error("a copy ended with an exception");
      progress->ended(progress->workers);
    });
  }
  while (progress_->workers > 0) {
    progress_->wake.expires_at(asio::steady_timer::time_point::max());
    co_await progress_->wake.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_await settled();
}

// The notes are written, or given up.
awaitable<void> Copies::settled() {
  const auto patience = std::chrono::steady_clock::now() + longest_note;
  while (progress_->notes > 0 && std::chrono::steady_clock::now() < patience) {
    progress_->wake.expires_at(patience);
    co_await progress_->wake.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

Copies::Copy* Copies::next_copy() {
  while (next_ < copies_.size() && copies_[next_].state != State::waiting) ++next_;
  const bool over =
      progress_->failed_notes > 0 || std::chrono::steady_clock::now() > context_.until;
  return over || next_ == copies_.size() ? nullptr : &copies_[next_++];
}

// The connection first: a copy that was taken off the list would wait with its worker.
awaitable<void> Copies::work() {
  Lease lease;
  int lost_in_a_row = 0;
  while (next_ < copies_.size() && lost_in_a_row < most_lost) {
    if (!co_await connect(lease, false)) break;
    Copy* copy = next_copy();
    if (copy == nullptr) break;
    lost_in_a_row = co_await send(lease, *copy) ? 0 : lost_in_a_row + 1;
    if (!context_.pool.is_wanted()) continue;
    lease.give_back();
    // Whoever waits is woken by a message to this thread: it comes before we do.
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  }
  lease.give_back();
}

awaitable<bool> Copies::connect(Lease& lease, bool fresh) {
  // It may have been closed, or have announced its end, since the last copy.
  if (lease && !lease->quiet()) lease.drop();
  if (lease) co_return true;
  auto got = co_await context_.pool.acquire(context_.client, fresh);
  if (!got) {
    log::warning(fmt::format("{} upstream: {}", context_.id, got.error().text));
    co_return false;
  }
  lease = *std::move(got);
  co_return true;
}

Plan Copies::plan_of(const policy::Mailbox& reverse_path, const wire::MailParameters& parameters,
                     const Recipient& recipient) const {
  Plan plan;
  // Its size is not the client's any more.
  wire::append_mail(plan.octets, reverse_path, parameters, false);
  plan.mail_end = plan.octets.size();
  plan.forwarded = transaction_.forwarded;
  wire::append_rcpt(plan.octets, recipient.path, recipient.parameters);
  plan.forwards.push_back({Plan::Asked::rcpt, 0, plan.octets.size()});
  plan.octets += "DATA\r\n";
  plan.forwards.push_back({Plan::Asked::data, 1, plan.octets.size()});
  return plan;
}

// A connection that had served before may have died since: one more try on a new one.
awaitable<Answers> Copies::ask(Lease& lease, const Plan& plan) {
  Answers answers;
  for (const bool fresh : {false, true}) {
    if (!co_await connect(lease, fresh)) break;
    if (!missing(lease->capabilities(), transaction_.needs).empty()) {
      if (!missing(lease->opened_with(), transaction_.needs).empty()) {
        context_.pool.forget_capabilities();
      }
      lease.give_back_open();
      break;
    }
    answers = co_await lease->ask(plan);
    const bool gone = answers.mail ? answers.mail->code == 421 : answers.gone;
    if (!gone || fresh || !lease.reused()) break;
    log::info(fmt::format("{} upstream {}: a new connection is asked: {}", context_.id,
                          context_.pool.name(), answers.mail ? "it said 421" : answers.why));
    lease.drop();
  }
  if (answers.failure) {
    log::warning(fmt::format("{} upstream: {}", context_.id, answers.why));
    lease.drop();
  }
  co_return answers;
}

awaitable<Result<void>> Copies::send_octets(Lease& lease, Octets octets) {
  std::array<std::string_view, 1> pieces{octets.front};
  auto sent = co_await lease->send(pieces);
  for (std::uint64_t at = 0; sent && at < octets.body;) {
    const auto room = std::min<std::uint64_t>(context_.buffer.size(), octets.body - at);
    const auto piece = body_.piece(at, context_.buffer.first(room));
    if (!piece) co_return std::unexpected(piece.error());
    at += piece->size();
    // A reply before the end of data is no answer to the message: its end is not sent.
    if (at == octets.body && octets.end.empty() && !lease->quiet()) {
      co_return fail(Errc::invalid, "spoke before the end of data");
    }
    pieces = {*piece};
    sent = co_await lease->send(pieces);
  }
  if (!sent || octets.end.empty()) co_return sent;
  if (!lease->quiet()) co_return fail(Errc::invalid, "spoke before the end of data");
  pieces = {octets.end};
  co_return co_await lease->send(pieces);
}

awaitable<Copies::Answer> Copies::transact(Lease& lease, const Plan& plan, Octets octets) {
  const auto answers = co_await ask(lease, plan);
  if (!lease) co_return Answer{.reply = lost()};
  const bool open =
      answers.replies.size() == plan.forwards.size() && answers.replies.back().code == 354;
  const Reply* bad = nullptr;
  bool to_recipient = false;
  if (answers.mail && !answers.mail->accepts()) bad = &*answers.mail;
  for (std::size_t i = 0; bad == nullptr && i < answers.replies.size(); ++i) {
    const bool is_data = plan.forwards[i].what == Plan::Asked::data;
    const Reply& reply = answers.replies[i];
    to_recipient = !is_data;
    if (is_data ? reply.code != 354 : !reply.accepts()) bad = &reply;
  }
  if (bad != nullptr) {
    const bool good = is_final(*bad) && !bad->accepts();
    // It waits for data of nobody: closing ends that without a message. Nor is one used again whose
    // answer was none.
    open || !good ? lease.drop() : lease.give_back_open();
    co_return Answer{
        .reply = good ? *bad : lost(), .answered = good, .to_recipient = good && to_recipient};
  }
  if (!open) {
    lease.drop();
    co_return Answer{.reply = lost()};
  }
  if (const auto sent = co_await send_octets(lease, octets); !sent) {
    const auto early = lease->early_refusal();
    log::warning(fmt::format("{} upstream: {}", context_.id, sent.error().text));
    lease.drop();
    co_return Answer{.reply = early.value_or(lost()), .answered = early.has_value()};
  }
  auto reply = co_await lease->finish();
  if (reply && is_final(*reply)) {
    co_return Answer{.reply = *std::move(reply), .answered = true, .to_end = true};
  }
  log::warning(fmt::format("{} upstream: {} at the end of a copy", context_.id,
                           reply ? fmt::format("answered {}", reply->code) : reply.error().text));
  lease.drop();
  co_return Answer{.reply = lost()};
}

awaitable<bool> Copies::send(Lease& lease, Copy& copy) {
  const auto& recipient = transaction_.recipients_told[copy.recipient];
  const auto plan =
      plan_of(plan_.reverse_path_of(recipient), transaction_.parameters, plan_.sent_to(recipient));
  const auto section = plan_.section_of(recipient);
  auto answer = co_await transact(lease, plan, {.front = section, .body = body_.size()});
  copy.reply = std::move(answer.reply);
  if (context_.counts != nullptr && answer.answered) context_.counts->upstream_reply(copy.reply);
  if (copy.reply.positive()) {
    copy.state = State::taken;
    note({copy.key}, context_.clock() + policy::longest_on_record);
  } else {
    copy.state = copy.reply.permanent() ? State::refused : State::deferred;
    // A refusal of MAIL or DATA says nothing of the recipient.
    copy.by_upstream = copy.reply.permanent() && (answer.to_recipient || answer.to_end);
    copy.at_rcpt = answer.to_recipient;
  }
  co_return answer.answered;
}

void Copies::note(std::vector<policy::CopyKey> copies, Time until) {
  if (context_.ledger == nullptr) return;
  ++progress_->notes;
  const std::weak_ptr<Progress> weak = progress_;
  auto tell = [weak](bool failed) {
    const auto progress = weak.lock();
    if (!progress) return;
    if (failed) ++progress->failed_notes;
    progress->ended(progress->notes);
  };
  const auto noted =
      context_.ledger->note(std::move(copies), until,
                            [tell, door = progress_->door,
                             executor = progress_->wake.get_executor()](const Result<void>& done) {
                              const std::lock_guard lock(door->mutex);
                              if (door->open)
                                asio::post(executor, [tell, failed = !done] { tell(failed); });
                            });
  if (!noted) tell(true);
}

// Handed upstream before the client hears of the message (DESIGN.md 1 and 6).
awaitable<Copies::Report> Copies::report_refused() {
  std::vector<LateRefusal> refused;
  std::vector<policy::CopyKey> settled;
  for (const Copy& copy : copies_) {
    if (copy.state != State::refused) continue;
    const Recipient& recipient = transaction_.recipients_told[copy.recipient];
    settled.push_back(copy.key);
    if (wants_failure(recipient)) refused.push_back({&recipient, copy.reply});
  }
  auto report = Report::not_wanted;
  if (plan_.reports_refusals() && !transaction_.reverse_path.empty() && !refused.empty()) {
    const auto answer = co_await send_report(refused);
    report = answer.reply.positive() ? Report::sent : Report::failed;
    // Nobody could read it: the reverse-path is no mailbox.
    if (answer.to_recipient && answer.reply.permanent()) report = Report::not_wanted;
    if (!answer.reply.positive()) {
      log::error(fmt::format("{} the report on {} refused recipients was not taken: {}",
                             context_.id, refused.size(), printable(trim(answer.reply.text))));
    }
  }
  if (report != Report::failed) {
    note(std::move(settled), context_.clock() + policy::longest_on_record);
  }
  co_return report;
}

awaitable<Copies::Answer> Copies::send_report(std::span<const LateRefusal> refused) {
  Lease lease;
  if (!co_await connect(lease, false)) co_return Answer{.reply = lost()};
  const auto& asked = transaction_.parameters;
  const bool eight_bit = lease->capabilities().eight_bit_mime;
  const bool whole =
      asked.ret == "FULL" && body_.size() <= longest_return && (eight_bit || asked.ret.empty());
  const auto text = late_report({.hostname = context_.hostname,
                                 .id = context_.id,
                                 .reverse_path = &transaction_.reverse_path,
                                 .envid = asked.envid,
                                 .section = plan_.section(),
                                 .whole = whole,
                                 .ascii = !eight_bit,
                                 .arrived = context_.arrived,
                                 .now = context_.clock()},
                                refused);
  wire::MailParameters parameters;
  parameters.smtputf8 = asked.smtputf8;
  if (eight_bit) parameters.body = wire::Body::eight_bit_mime;
  const Recipient sender{.path = transaction_.reverse_path, .parameters = {}};
  const auto plan = plan_of(policy::Mailbox{}, parameters, sender);
  auto answer = co_await transact(
      lease, plan,
      {.front = text.front, .body = whole ? body_.size() - final_dot.size() : 0, .end = text.end});
  lease.give_back();
  co_return answer;
}

Copies::Outcome Copies::outcome(Report report) const {
  Outcome outcome{.reply = {}, .missed = {}, .refused = {}, .on_record = keys()};
  const auto taken = count(State::taken);
  const auto refused = count(State::refused);
  outcome.sent_before = sent_before_;
  outcome.sent = static_cast<std::uint32_t>(taken) - sent_before_;
  const auto miss = [&](std::size_t recipient) {
    outcome.missed.push_back(policy::canonical(transaction_.recipients_told[recipient].path));
  };
  for (const auto& late : plan_.late()) miss(late.recipient);
  for (const Copy& copy : copies_) {
    if (copy.state != State::taken) miss(copy.recipient);
    if (copy.by_upstream) {
      outcome.refused.push_back({outcome.missed.back(), copy.reply, copy.at_rcpt});
    }
  }
  if (const auto missing = progress_->failed_notes + progress_->notes; missing > 0) {
    log::error(
        fmt::format("{} {} copies that were taken are not on record: were the message sent "
                    "again, they would be too",
                    context_.id, missing));
  }
  if (context_.counts != nullptr) {
    using Result = Counts::CopyResult;
    context_.counts->copies(Result::taken, outcome.sent);
    context_.counts->copies(Result::taken_before, sent_before_);
    context_.counts->copies(Result::refused, refused);
    context_.counts->copies(Result::deferred, copies_.size() - taken - refused);
  }
  const auto deferred = std::ranges::find(copies_, State::deferred, &Copy::state);
  if (taken + refused < copies_.size() && taken == 0) {
    outcome.reply = deferred == copies_.end() ? lost() : deferred->reply;
  } else if (taken + refused < copies_.size() || report == Report::failed) {
    outcome.reply = make_reply(
        451, "4.4.2",
        fmt::format("{} of {} copies are delivered; send the message again for the others", taken,
                    copies_.size()));
  } else if (taken == 0) {
    outcome.reply = std::ranges::find(copies_, State::refused, &Copy::state)->reply;
  } else if (copies_.size() == 1 && sent_before_ == 0) {
    outcome.reply = copies_.front().reply;
  } else {
    auto text = refused == 0 ? fmt::format("Ok: {} copies delivered", taken)
                             : fmt::format("Ok: {} of {} copies delivered", taken, copies_.size());
    if (report == Report::sent) text += "; a report on the others is sent";
    outcome.reply = make_reply(250, "2.0.0", text);
  }
  return outcome;
}

}  // namespace postern::proxy
