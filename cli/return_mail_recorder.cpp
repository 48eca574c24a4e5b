#include "cli/return_mail_recorder.h"

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "store/kept_mail.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {
namespace {

using policy::ReturnType;

// What one fsync is shared by at most.
constexpr std::size_t most_at_once = 200;
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
          "Recipients that the upstream refused, and that are not on record.")),
      thread_([this] { run(); }) {}

ReturnMailRecorder::~ReturnMailRecorder() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  arrived_.notify_one();
  thread_.join();
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

// Waits for something and takes what is there; nothing once it is over.
ReturnMailRecorder::Work ReturnMailRecorder::next() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return ending_ || !mails_.empty() || !refusals_.empty(); });
  Work work;
  while (!mails_.empty() && work.mails.size() < most_at_once) {
    octets_ -= mails_.front().mail.octets.size();
    work.mails.push_back(std::move(mails_.front()));
    mails_.pop_front();
  }
  work.refusals = std::exchange(refusals_, {});
  return work;
}

void ReturnMailRecorder::handle(Work work) {
  const auto settings = [this] {
    const std::scoped_lock lock(mutex_);
    return settings_;
  }();
  const auto deadline =
      work.mails.empty() ? Clock::now() + limits_.patience : work.mails.front().deadline;
  bool worth_waiting = false;
  auto batch = write(work, *settings, worth_waiting);
  while (!batch && worth_waiting && Clock::now() < deadline) {
    std::this_thread::sleep_for(limits_.retry);
    batch = write(work, *settings, worth_waiting);
  }
  if (!batch) {
    if (!work.refusals.empty()) {
      dropped_.add(work.refusals.size());
      log::warning(fmt::format("{} refusals of the upstream are not on record: {}",
                               work.refusals.size(), batch.error().text));
    }
    for (const auto& item : work.mails) item.done(std::unexpected(batch.error()));
    return;
  }
  for (std::size_t i = 0; i < work.mails.size(); ++i) {
    count(batch->read[i]);
    work.mails[i].done(std::move(batch->read[i].verdict));
  }
}

// All of it in one commit.
Result<ReturnMailRecorder::Batch> ReturnMailRecorder::write(const Work& work,
                                                            const Settings& settings,
                                                            bool& worth_waiting) {
  const auto store = sources_.store();
  worth_waiting = true;
  if (!store) return fail(Errc::io, "the store is away");
  auto reader = store->reader();
  if (!reader) return std::unexpected(reader.error());
  Batch batch;
  for (const auto& item : work.mails) {
    auto read = understand(*store, **reader, item.mail, settings, batch);
    if (!read) return std::unexpected(read.error());
  }
  for (const auto& refusal : work.refusals) {
    const auto ref = (*reader)->ref(refusal.recipient);
    if (!ref) return std::unexpected(ref.error());
    batch.changes.emplace_back(note_of(refusal, *ref, settings));
  }
  if (!batch.changes.empty()) {
    const auto outcomes = store->change_each(batch.changes, current_time());
    worth_waiting = store->must_reopen();
    if (!outcomes) return std::unexpected(outcomes.error());
    for (const auto& outcome : *outcomes) {
      if (!outcome) log::error("return mail is not on record: " + outcome.error().text);
    }
  }
  for (const auto& mail : batch.kept) {
    const auto number = store->keep_return_mail(mail, current_time());
    if (number) continue;
    // It is for a look alone: the mail is passed on without (DESIGN.md 9).
    log::warning("return mail that was not understood is not kept: " + number.error().text);
  }
  return batch;
}

Result<void> ReturnMailRecorder::understand(const store::Store& store,
                                            policy::ContactReader& reader,
                                            const policy::ReturnMail& mail,
                                            const Settings& settings, Batch& batch) {
  const auto tokens = sources_.contexts.tokens();
  const auto links = sources_.links();
  if (!tokens || !links) return fail(Errc::io, "the store is away");
  Read read;
  read.reading = return_mail::read(mail.octets, *settings.classifier);
  read.meaning = return_mail::meaning_of(
      mail, read.reading,
      {.domain = settings.return_path.domain,
       .url = settings.url,
       .tokens = *tokens,
       .links = *links,
       .campaign_header = settings.campaign_header,
       .valid_for = settings.return_path.valid_for,
       .ref_of = [&](const policy::CanonicalAddress& address) -> std::optional<policy::ContactRef> {
         auto ref = reader.ref(address);
         if (!ref) return std::nullopt;
         return *ref;
       }});
  store::KeptMail kept;
  for (auto& note : read.meaning.notes) {
    if (note.context) {
      const auto context = store.context(*note.context);
      if (!context) return std::unexpected(context.error());
      if (*context) note.stream = (*context)->stream;
    }
    batch.changes.emplace_back(note_of(note, read.reading, mail, settings));
  }
  std::vector<policy::Mailbox>& forward = read.verdict.forward;
  for (const auto sender : read.meaning.senders) {
    const auto context = store.context(sender);
    if (!context) return std::unexpected(context.error());
    if (!*context) continue;
    kept.stream = (*context)->stream;
    auto mailbox = policy::parse_mailbox((*context)->sender);
    if (mailbox && std::ranges::find(forward, *mailbox) == forward.end()) {
      forward.push_back(*std::move(mailbox));
    }
  }
  if (!settings.return_path.forward) forward.clear();
  if (read.meaning.postmaster) forward.push_back({.local_part = "postmaster", .domain = {}});
  if (!read.meaning.understood) {
    for (const auto& recipient : mail.recipients) {
      if (recipient.kind == policy::ReturnRecipient::Kind::bounce) {
        kept.ref = recipient.token.contact;
      }
    }
    kept.sender = policy::to_string(mail.reverse_path);
    kept.subject = read.reading.subject;
    kept.type = read.meaning.type;
    kept.size = mail.size;
    kept.message = mail.octets;
    batch.kept.push_back(std::move(kept));
  }
  batch.read.push_back(std::move(read));
  return {};
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
