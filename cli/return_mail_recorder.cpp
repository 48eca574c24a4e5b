#include "cli/return_mail_recorder.h"

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "store/kept_mail.h"

#include <algorithm>
#include <exception>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {
namespace {

using policy::ReturnType;

// What one fsync is shared by at most, and what is read before it.
constexpr std::size_t most_at_once = 200;
constexpr std::size_t most_octets = 4UL << 20U;
// Of mails that were kept: a client's retry comes within hours.
constexpr std::size_t remembered = 1'000;
constexpr std::string_view way = "return path";

policy::SoftRule soft_rule(const ReturnPathConfig& config) {
  return {.bounces = config.soft_bounces, .days = config.soft_days, .within = config.soft_within};
}

store::NoteReturn note_of(const return_mail::Note& note, const return_mail::Reading& reading,
                          const policy::ReturnMail& mail,
                          const ReturnMailRecorder::Settings& settings) {
  const auto& finding = note.finding;
  store::NoteReturn change;
  change.ref = note.contact;
  change.address = note.address;
  change.evidence = {
      .type = finding.type,
      .reason = finding.reason.value_or(policy::BounceReason::undefined),
      .status = finding.status,
  };
  change.bounce_class = finding.bounce_class.value_or(policy::BounceClass::soft);
  change.delivered_to_mailbox = finding.action == "delivered";  // RFC 3464 section 2.3.3
  change.replied = note.replied;
  change.stream = note.stream;
  change.campaign = note.campaign;
  change.diagnostic = finding.diagnostic;
  change.remote_mta = finding.remote_mta;
  change.reporting_mta = reading.reporting_mta;
  change.message_id = reading.message_id;
  change.digest = return_mail::report_digest(mail.octets, note);
  change.soft_rule = soft_rule(settings.return_path);
  change.origin = {.source = "return-path", .note = {}, .by = std::string(way), .campaign = {}};
  return change;
}

// Of closed sets, streams' names among them: nothing of the person.
std::string said_of(const return_mail::Meaning& meaning) {
  std::string said = fmt::format("type={}", to_string(meaning.type));
  if (!meaning.notes.empty()) {
    const auto& note = meaning.notes.front();
    if (note.finding.bounce_class) {
      said += fmt::format(" class={}", to_string(*note.finding.bounce_class));
    }
    if (note.finding.reason) said += fmt::format(" reason={}", to_string(*note.finding.reason));
    if (!note.stream.empty()) said += fmt::format(" stream={}", note.stream);
  }
  if (meaning.unattributed) said += " unattributed";
  return said;
}

store::KeptMail kept_of(const policy::ReturnMail& mail, const return_mail::Reading& reading,
                        ReturnType type, std::string stream) {
  store::KeptMail kept;
  kept.time = mail.arrived;
  for (const auto& recipient : mail.recipients) {
    if (recipient.kind == policy::ReturnRecipient::Kind::bounce) {
      kept.ref = recipient.token.contact;
    }
  }
  kept.stream = std::move(stream);
  kept.sender = policy::to_string(mail.reverse_path);
  kept.subject = reading.subject;
  kept.type = type;
  kept.size = mail.size;
  kept.message = mail.octets;
  return kept;
}

// The same classifier and rules as for return mail; it counts only where the upstream knows the
// mailboxes that it refuses.
store::NoteReturn note_of(const policy::SessionRefusal& refusal, const policy::ContactRef& ref,
                          const ReturnMailRecorder::Settings& settings) {
  const auto judged = settings.classifier->judge(
      {.status = {},
       .diagnostic = refusal.reply,
       .remote_mta = {},
       .reporting_mta = {},
       .action = "failed",
       .recipient = refusal.recipient.text,
       .command = refusal.at_rcpt ? classify::Command::rcpt : classify::Command::data});
  store::NoteReturn change;
  change.ref = ref;
  change.address = refusal.recipient;
  change.evidence = {.type = ReturnType::bounce, .reason = judged.reason, .status = judged.status};
  change.bounce_class = judged.bounce_class;
  change.in_session = true;
  change.history_only = !settings.authoritative;
  change.stream = refusal.stream;
  change.diagnostic = refusal.reply;
  change.remote_mta = settings.upstream;
  change.date = refusal.time;
  change.soft_rule = soft_rule(settings.return_path);
  change.origin = {.source = "upstream", .note = {}, .by = "session", .campaign = {}};
  return change;
}

}  // namespace

Result<ReturnMailRecorder::Settings> ReturnMailRecorder::settings_of(const Config& config) {
  Settings settings{.return_path = config.return_path,
                    .url = config.unsubscribe.url,
                    .campaign_header = config.campaign_header,
                    .authoritative = config.upstream.authoritative,
                    .upstream = to_string(config.upstream.address),
                    .classifier = nullptr};
  const auto& file = config.return_path.rules;
  if (file.empty()) {
    settings.classifier = {std::shared_ptr<const void>{}, &classify::Classifier::built_in()};
    return settings;
  }
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return fail(Errc::io, fmt::format("{}: cannot be read", file.string()));
  auto classifier = classify::Classifier::create(text.str(), file.string());
  if (!classifier) return std::unexpected(classifier.error());
  settings.classifier = std::make_shared<const classify::Classifier>(*std::move(classifier));
  return settings;
}

ReturnMailRecorder::ReturnMailRecorder(Sources sources, Settings settings, Limits limits)
    : sources_(std::move(sources)),
      limits_(limits),
      settings_(std::make_shared<const Settings>(std::move(settings))),
      unattributed_(sources_.metrics.counter(
          "postern_return_mail_unattributed_total",
          "Reports that do not prove of whom they are; they changed nothing.")),
      dropped_(sources_.metrics.counter(
          "postern_session_refusals_dropped_total",
          "Recipients that the upstream refused, and that are not on record.")) {}

ReturnMailRecorder::~ReturnMailRecorder() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  arrived_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void ReturnMailRecorder::reload(Settings settings) {
  auto made = std::make_shared<const Settings>(std::move(settings));
  const std::scoped_lock lock(mutex_);
  settings_ = std::move(made);
}

void ReturnMailRecorder::take(policy::ReturnMail mail, Done done) {
  {
    const std::scoped_lock lock(mutex_);
    if (mails_.size() < limits_.mails && octets_ + mail.octets.size() <= limits_.octets) {
      octets_ += mail.octets.size();
      mails_.push_back({std::move(mail), std::move(done), Clock::now() + limits_.patience});
      arrived_.notify_one();
      return;
    }
  }
  done(fail(Errc::full, "too much return mail waits to be read"));
}

void ReturnMailRecorder::refused(policy::SessionRefusal refusal) {
  {
    const std::scoped_lock lock(mutex_);
    if (refusals_.size() < limits_.refusals) {
      refusals_.push_back(std::move(refusal));
      arrived_.notify_one();
      return;
    }
  }
  dropped_.add();
}

void ReturnMailRecorder::run() {
  for (;;) {
    auto work = next();
    if (work.mails.empty() && work.refusals.empty()) return;
    handle(std::move(work));
  }
}

// Waits for something and takes what is there; nothing once it is over. What is read takes time, so
// that it is bounded for those who wait behind it.
ReturnMailRecorder::Work ReturnMailRecorder::next() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return ending_ || !mails_.empty() || !refusals_.empty(); });
  Work work;
  std::size_t octets = 0;
  while (!mails_.empty() && work.mails.size() < most_at_once && octets < most_octets) {
    octets += mails_.front().mail.octets.size();
    work.mails.push_back(std::move(mails_.front()));
    mails_.pop_front();
  }
  octets_ -= octets;
  work.refusals = std::exchange(refusals_, {});
  return work;
}

void ReturnMailRecorder::handle(Work work) {
  const auto [settings, ending] = [this] {
    const std::scoped_lock lock(mutex_);
    return std::pair(settings_, ending_);
  }();
  if (ending) return give_up(work, {Errc::cancelled, "the gate is stopping"});
  for (Item& item : work.mails) read(item, *settings);
  const auto soon = Clock::now() + limits_.least_patience;
  const auto deadline = work.mails.empty() ? soon : std::max(work.mails.front().deadline, soon);
  bool worth_waiting = false;
  auto batch = write(work, *settings, worth_waiting);
  while (!batch && worth_waiting && Clock::now() < deadline) {
    std::this_thread::sleep_for(limits_.retry);
    batch = write(work, *settings, worth_waiting);
  }
  if (!batch) return give_up(work, batch.error());
  for (std::size_t i = 0; i < work.mails.size(); ++i) {
    auto& read = batch->read[i];
    if (!read) {
      work.mails[i].done(std::unexpected(read.error()));
      continue;
    }
    count(*read);
    work.mails[i].done(std::move(read->verdict));
    if (read->kept) keep(*read->kept);
  }
}

void ReturnMailRecorder::give_up(Work& work, const Error& error) {
  if (!work.refusals.empty()) {
    dropped_.add(work.refusals.size());
    log::warning(fmt::format("{} refusals of the upstream are not on record: {}",
                             work.refusals.size(), error.text));
  }
  for (const auto& item : work.mails) item.done(std::unexpected(error));
}

// Whatever a stranger wrote: mail that cannot be read flows (DESIGN.md 9).
void ReturnMailRecorder::read(Item& item, const Settings& settings) const {
  item.reading.emplace();
  const bool for_people = std::ranges::all_of(item.mail.recipients, [](const auto& recipient) {
    return recipient.kind == policy::ReturnRecipient::Kind::postmaster;
  });
  if (for_people) return;
  try {
    item.reading = return_mail::read(item.mail.octets, *settings.classifier);
  } catch (const std::exception& error) {
    log::error(fmt::format("return mail could not be read: {}", error.what()));
    item.reading.emplace();
  }
}

// All of it in one commit; a change that is wrong by itself is its own mail's failure.
Result<ReturnMailRecorder::Batch> ReturnMailRecorder::write(const Work& work,
                                                            const Settings& settings,
                                                            bool& worth_waiting) {
  const auto store = sources_.store();
  worth_waiting = true;
  if (!store) return fail(Errc::io, "the store is away");
  Batch batch;
  for (const auto& item : work.mails) {
    batch.read.push_back(understand(*store, item, settings, batch.changes));
  }
  for (const auto& refusal : work.refusals) {
    const auto ref = store->ref(refusal.recipient);
    if (!ref) return std::unexpected(ref.error());
    batch.changes.emplace_back(note_of(refusal, *ref, settings));
  }
  if (batch.changes.empty()) return batch;
  const auto outcomes = store->change_each(batch.changes, current_time());
  worth_waiting = store->must_reopen();
  if (!outcomes) return std::unexpected(outcomes.error());
  for (auto& read : batch.read) {
    for (std::size_t i = 0; read && i < read->changes; ++i) {
      const auto& outcome = (*outcomes)[read->first_change + i];
      if (!outcome) read = std::unexpected(outcome.error());
    }
  }
  return batch;
}

Result<ReturnMailRecorder::Read> ReturnMailRecorder::understand(
    const store::Store& store, const Item& item, const Settings& settings,
    std::vector<store::Change>& changes) const {
  const auto tokens = sources_.contexts.tokens();
  const auto links = sources_.links();
  if (!tokens || !links) return fail(Errc::io, "the store is away");
  const auto& mail = item.mail;
  Read read;
  read.first_change = changes.size();
  read.meaning = return_mail::meaning_of(
      mail, *item.reading,
      {.domain = settings.return_path.domain,
       .url = settings.url,
       .tokens = *tokens,
       .links = *links,
       .campaign_header = settings.campaign_header,
       .valid_for = settings.return_path.valid_for,
       .ref_of = [&](const policy::CanonicalAddress& address) -> std::optional<policy::ContactRef> {
         auto ref = store.ref(address);
         if (!ref) return std::nullopt;
         return *ref;
       }});
  std::vector<store::Change> notes;
  for (auto& note : read.meaning.notes) {
    if (note.context) {
      const auto context = store.context(*note.context);
      if (!context) return std::unexpected(context.error());
      if (*context) note.stream = (*context)->stream;
    }
    notes.emplace_back(note_of(note, *item.reading, mail, settings));
  }
  bool lost = false;
  std::string stream;
  std::vector<policy::Mailbox>& forward = read.verdict.forward;
  for (const auto sender : read.meaning.senders) {
    const auto context = store.context(sender);
    if (!context) return std::unexpected(context.error());
    auto mailbox = *context ? policy::parse_mailbox((*context)->sender)
                            : Result<policy::Mailbox>(fail(Errc::not_found, {}));
    if (*context) stream = (*context)->stream;
    if (!mailbox) {
      lost = true;
    } else if (std::ranges::find(forward, *mailbox) == forward.end()) {
      forward.push_back(*std::move(mailbox));
    }
  }
  if (lost) {
    log::warning("return mail of a sender that is not on record any more goes to postmaster");
  }
  if (read.meaning.postmaster || lost)
    forward.push_back({.local_part = "postmaster", .domain = {}});
  if (!settings.return_path.forward) {
    std::erase_if(forward, [](const policy::Mailbox& one) { return !one.domain.empty(); });
  }
  if (!read.meaning.understood || lost) {
    read.kept = kept_of(mail, *item.reading, read.meaning.type, std::move(stream));
  }
  read.verdict.said = said_of(read.meaning);
  read.changes = notes.size();
  std::ranges::move(notes, std::back_inserter(changes));
  return read;
}

// For a look: mail is passed on without (DESIGN.md 9).
void ReturnMailRecorder::keep(const store::KeptMail& mail) {
  const auto digest = return_mail::report_digest(mail.message, {});
  if (std::ranges::find(kept_last_, digest) != kept_last_.end()) return;
  const auto store = sources_.store();
  const auto number = store ? store->keep_return_mail(mail, current_time())
                            : Result<std::uint64_t>(fail(Errc::io, "the store is away"));
  if (!number) {
    return log::warning("return mail that was not understood is not kept: " + number.error().text);
  }
  kept_last_.push_back(digest);
  if (kept_last_.size() > remembered) kept_last_.pop_front();
}

void ReturnMailRecorder::count(const Read& read) {
  const auto add = [this](ReturnType type, std::string bounce_class, std::string reason) {
    sources_.metrics
        .counter("postern_return_mail_total", "Return mail that was read, by what it says.",
                 {{"type", std::string(to_string(type))},
                  {"class", std::move(bounce_class)},
                  {"reason", std::move(reason)}})
        .add();
  };
  if (read.meaning.unattributed) unattributed_.add();
  if (read.meaning.notes.empty()) return add(read.meaning.type, {}, {});
  for (const auto& note : read.meaning.notes) {
    const auto& finding = note.finding;
    add(finding.type,
        finding.bounce_class ? std::string(to_string(*finding.bounce_class)) : std::string(),
        finding.reason ? std::string(to_string(*finding.reason)) : std::string());
  }
}

}  // namespace postern::cli
