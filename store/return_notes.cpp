#include "store/return_notes.h"

#include "policy/soft_bounces.h"
#include "store/batch.h"
#include "store/history.h"
#include "store/reports.h"
#include "store/rows/encoding.h"
#include "store/standing.h"
#include "store/traffic.h"
#include "store/traffic_row.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace postern::store {
namespace {

using policy::BounceClass;
using policy::BounceReason;
using policy::HoldKind;
using policy::ReturnType;
using policy::Scope;
using Weight = policy::Reported::Weight;

constexpr std::chrono::days report_window{30};
// A date before that is a wrong clock: nobody's queue holds a report for so long.
constexpr std::chrono::days oldest_date{60};

// What a piece of mail means, before anything is known of the contact.
struct Meaning {
  std::optional<TrafficResult> counted;
  std::optional<HoldKind> hold;
  std::optional<Weight> report;  // where no hold is placed
};

Meaning meaning_of_bounce(const NoteReturn& change) {
  const BounceReason reason = change.evidence.reason;
  if (change.history_only) {
    const bool own = reason == BounceReason::suppressed;
    return {.counted = {}, .hold = {}, .report = own ? std::nullopt : std::optional(Weight::none)};
  }
  if (reason == BounceReason::suppressed) {
    return {.counted = TrafficResult::suppressed, .hold = {}, .report = {}};
  }
  const bool counts = policy::is_about_mailbox(reason);
  if (change.bounce_class == BounceClass::hard) {
    const auto hold = counts ? std::optional(HoldKind::bounced) : std::nullopt;
    return {.counted = TrafficResult::bounced, .hold = hold, .report = Weight::none};
  }
  return {.counted = TrafficResult::soft_bounced,
          .hold = {},
          .report = counts ? Weight::soft_bounce : Weight::none};
}

Meaning meaning_of(const NoteReturn& change) {
  switch (change.evidence.type) {
    case ReturnType::bounce:
      return meaning_of_bounce(change);
    case ReturnType::delayed:
      return {.counted = TrafficResult::delayed, .hold = {}, .report = Weight::none};
    case ReturnType::delivered:
      return {.counted = TrafficResult::delivered,
              .hold = {},
              .report = change.delivered_to_mailbox ? Weight::sign_of_life : Weight::none};
    case ReturnType::complaint:
      return {.counted = TrafficResult::complained,
              .hold = HoldKind::complained,
              .report = Weight::none};
    case ReturnType::unsubscribe:
      return {.counted = TrafficResult::unsubscribed,
              .hold = HoldKind::unsubscribed,
              .report = Weight::none};
    case ReturnType::unknown:
    case ReturnType::auto_reply:
      break;
  }
  if (change.replied) return {.counted = {}, .hold = {}, .report = Weight::sign_of_life};
  return {};
}

// What the contact's history says that counts for a bounce of now.
struct Past {
  std::vector<Time> soft_bounces;
  std::vector<Time> signs_of_life;
  std::map<Weight, std::size_t> reports;  // within the window
};

void take(Past& past, const EventRecord& record, Time now) {
  if (shows_life(record)) past.signs_of_life.push_back(record.happened);
  const auto* reported = std::get_if<policy::Reported>(&record.facts);
  if (reported == nullptr) return;
  if (reported->weight == Weight::soft_bounce) past.soft_bounces.push_back(record.happened);
  if (now - record.recorded > report_window) return;
  ++past.reports[reported->weight];
}

// A sign of life of then voids a soft bounce that no other voids.
bool voids(const Past& past, Time sign) {
  const auto last = std::ranges::max_element(past.signs_of_life);
  return std::ranges::any_of(past.soft_bounces, [&](Time bounce) {
    return bounce <= sign && (last == past.signs_of_life.end() || bounce > *last);
  });
}

class ReturnNote {
 public:
  ReturnNote(Batch& batch, const NoteReturn& change, Time now)
      : batch_(batch), change_(change), meaning_(meaning_of(change)), now_(now) {}

  Result<Outcome> apply() {
    if (!is_stream_name(change_.stream)) {
      return fail(Errc::invalid, "the stream's name is too long, or not UTF-8");
    }
    if (auto done = find_target(); !done) return std::unexpected(done.error());
    // Most of them are addresses that somebody mistyped: nobody to keep a record of.
    if (change_.history_only && !target_.known) return Outcome{Outcome::Kind::unchanged, {}, {}};
    auto fresh = is_new();
    if (!fresh) return std::unexpected(fresh.error());
    if (!*fresh) return Outcome{Outcome::Kind::unchanged, {}, {}};
    batch_.touch();
    if (auto done = count_row(); !done) return std::unexpected(done.error());
    Outcome outcome{Outcome::Kind::unchanged, {}, {}};
    if (meaning_.hold && !stands(*meaning_.hold)) {
      auto placed = place(*meaning_.hold, {});
      if (!placed) return std::unexpected(placed.error());
      outcome.placed = *placed;
    } else if (meaning_.report) {
      if (auto done = report(outcome); !done) return std::unexpected(done.error());
    }
    if (!appended_) return outcome;
    outcome.kind = Outcome::Kind::changed;
    if (auto done = batch_.write(target_); !done) return std::unexpected(done.error());
    return outcome;
  }

 private:
  static bool is_stream_name(std::string_view name) {
    return name.size() <= policy::max_stream_name && !name.contains('\0') && rows::is_utf8(name);
  }

  // Apart from the keys of contacts and copies.
  ContactKey report_row() {
    const std::string_view ref = text_of(change_.ref);
    if (!change_.in_session) {
      return batch_.hasher()({"report ", ref, text_of(change_.digest)});
    }
    return batch_.hasher()({"refusal ", ref, to_string(change_.evidence.type), " ",
                            to_string(change_.evidence.reason), " ",
                            to_string(change_.bounce_class), " ", format_date(now_)});
  }

  Result<bool> is_new() {
    return note_report(batch_.txn(), batch_.tables().reports.value(), report_row(), now_);
  }

  Result<void> find_target() {
    const auto& address = change_.address;
    const bool named = !address.text.empty() && !address.is_domain() && !address.is_digest() &&
                       batch_.hasher()(address.text) == change_.ref;
    auto target = named ? batch_.read(address) : batch_.read(change_.ref);
    if (!target) return std::unexpected(target.error());
    target_ = *std::move(target);
    auto forgotten = is_forgotten(batch_.txn(), batch_.tables(), change_.ref);
    if (!forgotten) return std::unexpected(forgotten.error());
    forgotten_ = *forgotten;
    if (forgotten_) target_.address.text.clear();
    return {};
  }

  // Who asks twice left once.
  Result<void> count_row() {
    if (!meaning_.counted) return {};
    if (meaning_.hold == HoldKind::unsubscribed && stands(HoldKind::unsubscribed)) return {};
    return count(batch_.txn(), batch_.tables(), change_.ref, change_.stream, change_.campaign,
                 *meaning_.counted, "", now_);
  }

  [[nodiscard]] Scope scope_of(HoldKind kind) const {
    if (kind != HoldKind::unsubscribed) return {};
    if (change_.stream.empty()) return {Scope::Kind::marketing, {}};
    return {Scope::Kind::stream, change_.stream};
  }

  // What the return path, or the operator, placed, and nobody lifted: what an import said is not
  // that, since it may be undone.
  [[nodiscard]] bool stands(HoldKind kind) const {
    const PlaceHold like{.address = {},
                         .kind = kind,
                         .scope = scope_of(kind),
                         .date = {},
                         .until = {},
                         .known_as = {},
                         .except = {},
                         .origin = {}};
    return std::ranges::any_of(target_.contact.holds, [&](const policy::Hold& hold) {
      return repeats(like, hold, target_.contact);
    });
  }

  [[nodiscard]] Time happened() const {
    const Time date = change_.date.value_or(now_);
    return date > now_ || now_ - date > oldest_date ? now_ : date;
  }

  Result<void> append(policy::Facts facts, std::string note) {
    Origin origin = change_.origin;
    MailDetails mail;
    origin.note.clear();
    if (!forgotten_) {
      origin.note = std::move(note);
      mail = {.campaign = change_.campaign,
              .remote_mta = change_.remote_mta,
              .reporting_mta = change_.reporting_mta,
              .message_id = change_.message_id};
    }
    appended_ = true;
    return batch_.append(target_, std::move(facts), happened(), now_, origin, mail);
  }

  [[nodiscard]] policy::ReturnEvidence evidence() const {
    auto evidence = change_.evidence;
    evidence.status = policy::kept_status(evidence.status);
    return evidence;
  }

  // `why`: in front of the diagnostic.
  Result<policy::HoldId> place(HoldKind kind, std::string why) {
    auto done = append(policy::HoldPlaced{.kind = kind,
                                          .scope = scope_of(kind),
                                          .until = {},
                                          .imported = {},
                                          .evidence = evidence()},
                       std::move(why) + change_.diagnostic);
    if (!done) return std::unexpected(done.error());
    return policy::hold_id({batch_.numbering().origin, batch_.numbering().last});
  }

  Result<Past> past() {
    Past past;
    auto done = each_event(batch_.txn(), batch_.tables(), target_.key,
                           [&](const EventKey& /*id*/, const EventRecord& record) -> Result<void> {
                             take(past, record, now_);
                             return {};
                           });
    if (!done) return std::unexpected(done.error());
    return past;
  }

  // More of one day than the rule asks for would add neither to the number nor to the days.
  [[nodiscard]] bool counts_anew(const Past& past) const {
    const auto day_of_bounce = std::chrono::floor<std::chrono::days>(happened());
    const auto last_sign = std::ranges::max_element(past.signs_of_life);
    std::size_t that_day = 0;
    std::size_t not_voided = 0;
    for (const Time bounce : past.soft_bounces) {
      if (std::chrono::floor<std::chrono::days>(bounce) != day_of_bounce) continue;
      ++that_day;
      if (last_sign == past.signs_of_life.end() || bounce > *last_sign) ++not_voided;
    }
    return not_voided < change_.soft_rule.bounces && that_day < max_reports;
  }

  // Beyond the bound, what changes nothing is left out.
  [[nodiscard]] bool has_room(Past& past) const {
    if (*meaning_.report == Weight::soft_bounce) return counts_anew(past);
    if (past.reports[*meaning_.report] < max_reports) return true;
    return *meaning_.report == Weight::sign_of_life && voids(past, happened());
  }

  Result<void> report(Outcome& outcome) {
    auto before = past();
    if (!before) return std::unexpected(before.error());
    const bool soft = *meaning_.report == Weight::soft_bounce;
    if (has_room(*before)) {
      auto done = append(policy::Reported{evidence(), *meaning_.report}, change_.diagnostic);
      if (!done) return done;
    }
    if (!soft || stands(HoldKind::bounced)) return {};
    before->soft_bounces.push_back(happened());
    const auto found =
        policy::judge(before->soft_bounces, before->signs_of_life, change_.soft_rule, now_);
    if (!found.hold) return {};
    auto placed = place(HoldKind::bounced,
                        fmt::format("{} soft bounces on {} day{}, the last: ", found.bounces,
                                    found.days, found.days == 1 ? "" : "s"));
    if (!placed) return std::unexpected(placed.error());
    outcome.placed = *placed;
    return {};
  }

  Batch& batch_;
  const NoteReturn& change_;
  const Meaning meaning_;
  const Time now_;
  Batch::Target target_;
  bool forgotten_ = false;
  bool appended_ = false;
};

}  // namespace

Result<Outcome> note_return(Batch& batch, const NoteReturn& change, Time now) {
  return ReturnNote(batch, change, now).apply();
}

}  // namespace postern::store
