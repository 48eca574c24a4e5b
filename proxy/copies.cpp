#include "proxy/copies.h"

#include "base/log.h"
#include "base/text.h"

#include <algorithm>
#include <exception>
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

// For as long as a sender may try again (RFC 5321 section 4.5.4.1: at least 4-5 days).
constexpr std::chrono::days on_record_after_451{7};
// For the store, which may be compacted meanwhile; what is taken is taken.
constexpr std::chrono::seconds longest_note{30};

Reply lost() {
  return make_reply(451, "4.4.2",
                    "the upstream server was lost before it took the message, try again later");
}

bool is_final(const Reply& reply) {
  return (reply.positive() || reply.transient() || reply.permanent()) && reply.code != 421 &&
         reply.code != 530;
}

}  // namespace

// What is under way; shared with callbacks that another thread calls.
struct Copies::Progress {
  explicit Progress(const asio::any_io_executor& executor)
      : wake(executor, asio::steady_timer::time_point::max()) {}
  std::size_t workers = 0;
  std::size_t notes = 0;
  std::size_t failed_notes = 0;
  asio::steady_timer wake;

  void ended(std::size_t& what) {
    --what;
    wake.cancel();
  }
};

Copies::Copies(Context context, const Transaction& transaction, const DeliveryPlan& plan,
               const HeldMessage& body, const std::array<std::uint8_t, 32>& digest)
    : context_(context), transaction_(transaction), plan_(plan), body_(body) {
  const auto& recipients = transaction_.recipients_told;
  const auto sender = policy::to_string(transaction_.reverse_path);
  copies_.resize(recipients.size());
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    copies_[i].recipient = i;
    copies_[i].key = policy::copy_key(sender, digest, policy::canonical(recipients[i].path).text);
  }
  for (const auto& late : plan_.late()) {
    copies_[late.recipient].state = late.reply.transient() ? State::deferred : State::refused;
    copies_[late.recipient].reply = late.reply;
  }
}

std::size_t Copies::count(State state) const {
  return static_cast<std::size_t>(std::ranges::count(copies_, state, &Copy::state));
}

// False where it cannot be read: whether a copy was taken before is not known, so none is sent.
bool Copies::read_ledger() {
  if (context_.ledger == nullptr) return true;
  std::vector<policy::CopyKey> keys;
  for (const Copy& copy : copies_) keys.push_back(copy.key);
  const auto taken = context_.ledger->taken(keys, context_.clock());
  if (!taken) {
    log::error(fmt::format("{} deferred: the ledger of copies cannot answer: {}", context_.id,
                           taken.error().text));
    return false;
  }
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    if (!(*taken)[i]) continue;
    copies_[i].state = State::taken;
    ++sent_before_;
  }
  return true;
}

awaitable<Copies::Outcome> Copies::deliver(Lease first) {
  const auto executor = co_await asio::this_coro::executor;
  progress_ = std::make_shared<Progress>(executor);
  if (!read_ledger()) {
    first.give_back_open();
    co_return Outcome{.reply = make_reply(451, "4.3.0",
                                          "the gate cannot look up what was delivered already, "
                                          "try again later"),
                      .missed = {},
                      .on_record = {}};
  }
  first.give_back_open();
  const auto workers = std::min<std::size_t>(count(State::waiting), context_.connections);
  for (std::size_t i = 0; i < workers; ++i) {
    ++progress_->workers;
    asio::co_spawn(executor, work(Lease()),
                   [progress = progress_](const std::exception_ptr& failure) {
                     if (failure) log::error("a copy ended with an exception");
                     progress->ended(progress->workers);
                   });
  }
  const auto all_ended = [&]() -> awaitable<void> {
    while (progress_->workers > 0) {
      progress_->wake.expires_at(asio::steady_timer::time_point::max());
      co_await progress_->wake.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    const auto patience = std::chrono::steady_clock::now() + longest_note;
    while (progress_->notes > 0 && std::chrono::steady_clock::now() < patience) {
      progress_->wake.expires_at(patience);
      co_await progress_->wake.async_wait(asio::as_tuple(asio::use_awaitable));
    }
  };
  co_await all_ended();
  bool reported = true;
  const bool some_got_it = count(State::taken) > 0;
  if (some_got_it && count(State::deferred) == 0 && count(State::refused) > 0) {
    reported = co_await report_refused(std::move(spare_));
    co_await all_ended();
  }
  spare_.give_back();
  co_return outcome(reported);
}

awaitable<void> Copies::work(Lease lease) {
  while (next_ < copies_.size()) {
    Copy& copy = copies_[next_++];
    if (copy.state == State::waiting) co_await send(lease, copy);
  }
  if (lease && !spare_) {
    spare_ = std::move(lease);
  } else {
    lease.give_back_open();
  }
}

awaitable<bool> Copies::connect(Lease& lease, bool fresh) {
  if (lease) co_return true;
  auto got = co_await context_.pool.acquire(fresh);
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
  wire::append_rcpt(plan.octets, recipient.path, recipient.parameters);
  plan.forwards.push_back({Plan::Asked::rcpt, 0, plan.octets.size()});
  plan.octets += "DATA\r\n";
  plan.forwards.push_back({Plan::Asked::data, 1, plan.octets.size()});
  return plan;
}

// A connection that had served before may have died since: one more try on a new one.
awaitable<Answers> Copies::ask(Lease& lease, const Plan& plan) {
  for (const bool fresh : {false, true}) {
    const bool used = lease && lease.reused();
    if (!co_await connect(lease, fresh)) break;
    if (!missing(lease->capabilities(), transaction_.needs).empty()) {
      context_.pool.forget_capabilities();
      lease.give_back_open();
      break;
    }
    auto answers = co_await lease->ask(plan);
    const bool gone = answers.mail ? answers.mail->code == 421 : answers.gone;
    if (!gone || !(used || lease.reused()) || fresh) co_return answers;
    lease.drop();
  }
  Answers none;
  none.failure = lost();
  co_return none;
}

awaitable<Reply> Copies::transact(Lease& lease, const Plan& plan, std::string_view front,
                                  const HeldMessage* body) {
  const auto answers = co_await ask(lease, plan);
  const Reply* bad = nullptr;
  if (answers.mail && !answers.mail->positive()) bad = &*answers.mail;
  for (std::size_t i = 0; bad == nullptr && i < answers.replies.size(); ++i) {
    const bool is_data = plan.forwards[i].what == Plan::Asked::data;
    const Reply& reply = answers.replies[i];
    if (is_data ? reply.code != 354 : !reply.positive()) bad = &reply;
  }
  const bool open =
      answers.replies.size() == plan.forwards.size() && answers.replies.back().code == 354;
  if (bad != nullptr) {
    // It waits for data of nobody: closing ends that without a message.
    open || answers.failure || !is_final(*bad) ? lease.drop() : lease.give_back_open();
    co_return is_final(*bad) ? *bad : lost();
  }
  if (!open) {
    lease.drop();
    co_return lost();
  }
  std::array<std::string_view, 1> pieces{front};
  auto sent = co_await lease->send(pieces);
  for (std::uint64_t at = 0; sent && body != nullptr && at < body->size();) {
    const auto piece = body->piece(at, context_.buffer);
    if (!piece) {
      log::error(fmt::format("{} {}", context_.id, piece.error().text));
      lease.drop();
      co_return lost();
    }
    at += piece->size();
    // A reply before the end of data is no answer to the message.
    if (at == body->size() && !lease->quiet()) {
      sent = fail(Errc::invalid, "spoke before the end of data");
      break;
    }
    pieces = {*piece};
    sent = co_await lease->send(pieces);
  }
  if (!sent) {
    const auto early = lease->early_refusal();
    log::warning(fmt::format("{} upstream: {}", context_.id, sent.error().text));
    lease.drop();
    co_return early.value_or(lost());
  }
  auto reply = co_await lease->finish();
  if (reply && is_final(*reply)) co_return *std::move(reply);
  lease.drop();
  co_return lost();
}

awaitable<void> Copies::send(Lease& lease, Copy& copy) {
  const auto& recipient = transaction_.recipients_told[copy.recipient];
  const auto plan = plan_of(transaction_.reverse_path, transaction_.parameters, recipient);
  const auto section = plan_.section_of(recipient);
  copy.reply = co_await transact(lease, plan, section, &body_);
  if (context_.counts != nullptr) context_.counts->upstream_reply(copy.reply);
  if (copy.reply.positive()) {
    copy.state = State::taken;
    note({copy.key});
  } else {
    copy.state = copy.reply.permanent() ? State::refused : State::deferred;
  }
}

void Copies::note(std::vector<policy::CopyKey> copies) {
  if (context_.ledger == nullptr) return;
  ++progress_->notes;
  const auto executor = progress_->wake.get_executor();
  const auto noted =
      context_.ledger->note(std::move(copies), context_.clock() + on_record_after_451,
                            [progress = progress_, executor](const Result<void>& done) {
                              asio::post(executor, [progress, failed = !done] {
                                if (failed) ++progress->failed_notes;
                                progress->ended(progress->notes);
                              });
                            });
  if (noted) return;
  ++progress_->failed_notes;
  progress_->ended(progress_->notes);
}

// Handed upstream before the client hears of the message (DESIGN.md 1 and 6). True where there is
// nobody to report to, or nothing that they asked for.
awaitable<bool> Copies::report_refused(Lease lease) {
  std::vector<LateRefusal> refused;
  std::vector<policy::CopyKey> keys;
  for (const Copy& copy : copies_) {
    if (copy.state != State::refused) continue;
    const Recipient& recipient = transaction_.recipients_told[copy.recipient];
    keys.push_back(copy.key);
    if (wants_failure(recipient)) refused.push_back({&recipient, copy.reply});
  }
  if (!transaction_.reverse_path.empty() && !refused.empty()) {
    const auto text = late_report({.hostname = context_.hostname,
                                   .id = context_.id,
                                   .reverse_path = &transaction_.reverse_path,
                                   .envid = transaction_.parameters.envid,
                                   .section = plan_.section(),
                                   .arrived = context_.arrived,
                                   .now = context_.clock()},
                                  refused);
    wire::MailParameters parameters;
    parameters.smtputf8 = transaction_.parameters.smtputf8;
    if (!is_ascii(text)) parameters.body = wire::Body::eight_bit_mime;
    const Recipient sender{.path = transaction_.reverse_path, .parameters = {}};
    const auto reply =
        co_await transact(lease, plan_of(policy::Mailbox{}, parameters, sender), text, nullptr);
    if (lease) lease.give_back();
    if (!reply.positive()) {
      log::warning(fmt::format("{} the report on {} refused recipients was not taken: {}",
                               context_.id, refused.size(), printable(trim(reply.text))));
      // Refused for good: nobody at the reverse-path could read it.
      if (!reply.permanent()) co_return false;
    }
  }
  note(std::move(keys));
  co_return true;
}

Copies::Outcome Copies::outcome(bool reported) const {
  Outcome outcome{.reply = {}, .missed = {}, .on_record = {}};
  const auto taken = count(State::taken);
  const auto refused = count(State::refused);
  outcome.sent_before = sent_before_;
  outcome.sent = static_cast<std::uint32_t>(taken) - sent_before_;
  for (const Copy& copy : copies_) {
    outcome.on_record.push_back(copy.key);
    if (copy.state == State::taken) continue;
    outcome.missed.push_back(policy::canonical(transaction_.recipients_told[copy.recipient].path));
  }
  if (progress_->failed_notes > 0) {
    log::error(
        fmt::format("{} {} copies that were taken are not on record: were the message sent "
                    "again, they would be too",
                    context_.id, progress_->failed_notes));
  }
  if (context_.counts != nullptr) {
    using Result = Counts::CopyResult;
    context_.counts->copies(Result::taken, outcome.sent);
    context_.counts->copies(Result::taken_before, sent_before_);
    context_.counts->copies(Result::refused, refused);
    context_.counts->copies(Result::deferred, copies_.size() - taken - refused);
  }
  const auto deferred = std::ranges::find(copies_, State::deferred, &Copy::state);
  if (taken == 0 && deferred != copies_.end()) {
    outcome.reply = deferred->reply;
  } else if (taken + refused < copies_.size() || !reported) {
    outcome.reply = make_reply(
        451, "4.4.2",
        fmt::format("{} of {} copies are delivered; send the message again for the others", taken,
                    copies_.size()));
  } else if (taken == 0) {
    outcome.reply = std::ranges::find(copies_, State::refused, &Copy::state)->reply;
  } else {
    outcome.reply = make_reply(
        250, "2.0.0",
        refused == 0 ? fmt::format("Ok: {} copies delivered", taken)
                     : fmt::format("Ok: {} of {} copies delivered; a report on the others is sent",
                                   taken, copies_.size()));
  }
  return outcome;
}

}  // namespace postern::proxy
