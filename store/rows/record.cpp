#include "store/rows/record.h"

#include "base/config_values.h"
#include "base/text.h"
#include "store/rows/address_field.h"
#include "store/rows/names.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

namespace postern::rows {
namespace {

constexpr std::string_view list_separators = ",;|[]\"";

std::unexpected<Error> invalid(std::string text) { return fail(Errc::invalid, std::move(text)); }

// RFC 3463: 4.x.x may pass, and 5.7.x is about who sent it; neither says that the mailbox is gone.
bool is_about_mailbox(std::string_view code) {
  return !code.starts_with('4') && !code.starts_with("5.7.");
}

Result<policy::HoldId> read_hold(std::string_view text) {
  policy::HoldId id;
  const auto digit = [](char c) {
    constexpr std::string_view digits = "0123456789abcdef";
    return digits.find(ascii_lower(c));
  };
  if (text.size() != 2 * id.octets.size()) return invalid("hold: 32 hex digits are wanted");
  for (std::size_t i = 0; i < id.octets.size(); ++i) {
    const std::size_t high = digit(text[2 * i]);
    const std::size_t low = digit(text[2 * i + 1]);
    if (high > 15 || low > 15) return invalid("hold: 32 hex digits are wanted");
    id.octets[i] = static_cast<std::uint8_t>(high << 4U | low);
  }
  return id;
}

template <class Take>
void for_each_part(std::string_view text, std::string_view separators, Take take) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
    if (const auto part = trim(text.substr(at, end - at)); !part.empty()) take(part);
    at = end + 1;
  }
}

Result<std::vector<std::string>> read_except(std::string_view text) {
  std::vector<std::string> streams;
  for_each_part(text, " ,", [&](std::string_view part) { streams.emplace_back(part); });
  for (const std::string& stream : streams) {
    if (stream == every_marketing) continue;
    // "all" too: such a hold would be none.
    if (auto wrong = config::check_stream_name(stream); !wrong.empty()) {
      return invalid("except: " + wrong);
    }
  }
  return streams;
}

const Value* known_value(const Format& format, std::string_view text) {
  if (format.values.empty()) return nullptr;
  const std::string plain = plain_name(text);
  const auto known = std::ranges::find(format.values, plain, &Value::value);
  return known == format.values.end() ? nullptr : &*known;
}

}  // namespace

// The order in which a format names its columns; among equals, that of the file.
std::pair<std::size_t, const Plan*> Record::place(const Field& field) {
  return {field.plan->rank, field.plan};
}

void Record::begin(const Layout& layout) {
  layout_ = &layout;
  slots_.fill({});
  flags_.clear();
  reasons_.clear();
  sayings_.clear();
  active_ = silent_ = stop_ = false;
}

void Record::add(const Plan& plan, std::string_view text) {
  switch (plan.use) {
    case Use::none:
    case Use::known:
      return;
    case Use::flag:
    case Use::subscribed:
    case Use::list_flag:
      if (!trim(text).empty()) flags_.push_back({&plan, trim(text)});
      return;
    case Use::reason:
      if (!trim(text).empty()) reasons_.push_back({&plan, text});
      return;
    default:
      break;
  }
  Slot& slot = slots_[static_cast<std::size_t>(plan.use)];
  text = trim(text);
  if (text.empty() || (slot.plan != nullptr && slot.plan->rank <= plan.rank)) return;
  slot = {text, &plan};
}

Result<Row> Record::finish() {
  if (text(Use::address).empty()) return invalid("no address");
  auto address = read_address(text(Use::address));
  if (!address) return std::unexpected(std::move(address).error());
  Row row{.address = *std::move(address), .statements = {}};
  if (reasons_.size() > 1) std::ranges::sort(reasons_, {}, place);
  if (auto taken = take_flags(); !taken) return std::unexpected(std::move(taken).error());
  if (auto taken = take_status(); !taken) return std::unexpected(std::move(taken).error());
  if (sayings_.size() > 1) drop_repetitions();
  take_default();
  row.active = sayings_.empty() && active_;
  if (auto added = add_statements(row); !added) return std::unexpected(std::move(added).error());
  return row;
}

Result<std::optional<Time>> Record::date(std::string_view text) {
  const DateReading reading = read_date(text, dates_);
  switch (reading.kind) {
    case DateReading::Kind::none:
      return std::nullopt;
    case DateReading::Kind::time:
      return reading.time;
    case DateReading::Kind::ambiguous:
      stop_ = true;
      return invalid(fmt::format(
          "'{}' {}: say --dates dmy where the day comes first, or --dates mdy where the "
          "month does",
          printable(text, 60),
          dates_ == DateOrder::ask ? "may be two dates" : "contradicts --dates"));
    case DateReading::Kind::unreadable:
      break;
  }
  return invalid(fmt::format("'{}' is no date: write 2026-03-01 or 2026-03-01T12:00:00Z",
                             printable(text, 60)));
}

// A cell with a date says when; one that is neither date nor "yes" says why. Why somebody consented
// it cannot say.
Result<void> Record::take_flag(const Plan& plan, std::string_view text) {
  const Truth truth = truth_of(text);
  if (truth == Truth::no || truth == Truth::empty) return {};
  const auto status = plan.status.value_or(Status::unsubscribed);
  if (truth == Truth::yes) {
    say(status);
    return {};
  }
  if (says_nothing(text) ||
      (status != Status::subscribed && parse_status(text) == Status::subscribed)) {
    return {};
  }
  const DateReading reading = read_date(text, dates_);
  if (reading.kind == DateReading::Kind::none) return {};
  const bool unclear =
      reading.kind == DateReading::Kind::ambiguous ||
      (reading.kind == DateReading::Kind::unreadable && status == Status::subscribed);
  if (unclear) return std::unexpected(date(text).error());
  if (reading.kind == DateReading::Kind::time) {
    sayings_.push_back({.status = status, .date = reading.time});
  } else {
    sayings_.push_back({.status = status, .reason = text});
  }
  return {};
}

Result<void> Record::take_flags() {
  // Who has a date left, whatever the flags do not say.
  active_ = layout_->tells_all && text(Use::date).empty();
  if (flags_.size() > 1) std::ranges::sort(flags_, {}, place);
  for (const auto& [plan, text] : flags_) {
    if (plan->use == Use::list_flag) {
      if (truth_of(text) == Truth::yes) {
        sayings_.push_back({.status = plan->status, .stream = plan->label});
      }
    } else if (plan->use == Use::subscribed) {
      if (truth_of(text) == Truth::no) say(Status::unsubscribed);
      active_ = active_ || truth_of(text) == Truth::yes;
    } else if (auto taken = take_flag(*plan, text); !taken) {
      return taken;
    }
  }
  return {};
}

// A restriction is said before a consent, and each thing once: the first that says it has the
// better date.
void Record::drop_repetitions() {
  const bool restricts = std::ranges::any_of(
      sayings_, [](const Saying& saying) { return saying.status != Status::subscribed; });
  std::vector<Saying> kept;
  for (const Saying& saying : sayings_) {
    if (restricts && saying.status == Status::subscribed) continue;
    const auto same = std::ranges::find_if(kept, [&](const Saying& other) {
      return other.status == saying.status && other.stream == saying.stream;
    });
    if (same == kept.end()) {
      kept.push_back(saying);
    } else if (same->reason.empty()) {
      same->reason = saying.reason;
    }
  }
  sayings_ = std::move(kept);
}

Result<void> Record::take_status() {
  if (const auto code = text(Use::code); !code.empty() && !is_about_mailbox(code)) silent_ = true;
  const std::string_view word = text(Use::status);
  if (word.empty()) return {};
  const Format& format = *layout_->format;
  const bool all_end = std::ranges::none_of(format.values, &Value::ends);
  if (const Value* known = known_value(format, word)) {
    silent_ = silent_ || !known->status;
    sayings_.push_back({.status = known->status, .ends = all_end || known->ends});
  } else if (const auto status = parse_status(word)) {
    sayings_.push_back({.status = status, .ends = all_end});
  } else if (format.otherwise) {
    sayings_.push_back({.status = format.otherwise, .ends = all_end});
    reasons_.push_back({slots_[static_cast<std::size_t>(Use::status)].plan, word});
  } else if (says_nothing(word)) {
    active_ = true;
  } else {
    return invalid(
        fmt::format("unknown status \"{}\": unsubscribed, bounced, complained, blocked "
                    "or subscribed",
                    printable(word, 40)));
  }
  return {};
}

// Where no column says anything, the kind of file does, else the caller.
void Record::take_default() {
  if (!layout_->format->suppresses || silent_) {
    sayings_.clear();
    return;
  }
  if (!sayings_.empty() || active_) return;
  sayings_.push_back({.status = layout_->format->status});
}

Result<void> Record::take_streams() {
  streams_.clear();
  if (const auto stream = text(Use::stream); !stream.empty()) {
    auto wrong = stream == "all" ? std::string() : config::check_stream_name(stream);
    if (!wrong.empty()) return invalid("stream: " + wrong);
    streams_.emplace_back(stream);
    return {};
  }
  const auto add = [&](std::string_view list) {
    const auto& known = layout_->format->streams;
    const auto found = std::ranges::find(known, plain_name(list), &StreamValue::value);
    std::string stream = found == known.end() ? stream_for(list) : std::string(found->stream);
    if (std::ranges::find(streams_, stream) == streams_.end())
      streams_.push_back(std::move(stream));
  };
  if (const auto list = text(Use::list); !list.empty()) add(list);
  for_each_part(text(Use::tags), list_separators, add);
  // One that stands for every marketing stream covers the others.
  if (streams_.empty() || std::ranges::find(streams_, "") != streams_.end()) streams_.assign(1, "");
  return {};
}

// In the order in which the format names them.
std::string Record::note(const Saying& saying) const {
  std::string note(saying.reason);
  if (reasons_.size() == 1 && note.empty() && reasons_.front().plan->label.empty()) {
    return std::string(reasons_.front().text);
  }
  for (const auto& [plan, text] : reasons_) {
    if (!note.empty()) note += "; ";
    note += plan->label;
    if (!plan->label.empty()) note += ' ';
    note += trim(text);
  }
  return note;
}

Result<void> Record::state(const Saying& saying, std::string_view stream, Statement& said) {
  said.status = saying.status;
  said.stream = stream;
  said.source = text(Use::source);
  said.note = note(saying);
  auto when = saying.date ? saying.date : date(text(Use::date));
  if (!when) return std::unexpected(std::move(when).error());
  said.date = *when;
  if (saying.ends) {
    auto until = date(text(Use::until));
    if (!until) return std::unexpected(std::move(until).error());
    said.until = *until;
  }
  if (const auto hold = text(Use::hold); !hold.empty()) {
    auto id = read_hold(hold);
    if (!id) return std::unexpected(std::move(id).error());
    said.hold = *id;
  }
  if (const auto streams = text(Use::except); !streams.empty()) {
    auto except = read_except(streams);
    if (!except) return std::unexpected(std::move(except).error());
    said.except = *std::move(except);
  }
  return add_evidence(said, saying);
}

// Columns of our own exports; where there is no evidence, a diagnostic is a remark like others.
Result<void> Record::add_evidence(Statement& said, const Saying& saying) const {
  const std::string_view diagnostic = text(Use::diagnostic);
  said.campaign = text(Use::campaign);
  said.remote_mta = text(Use::remote_mta);
  said.reporting_mta = text(Use::reporting_mta);
  said.message_id = text(Use::message_id);
  const std::string_view word = trim(text(Use::evidence));
  if (word.empty()) {
    if (!diagnostic.empty()) said.note += (said.note.empty() ? "" : "; ") + std::string(diagnostic);
    return {};
  }
  const auto type = policy::parse_return_type(word);
  if (!type) return invalid("evidence: " + printable(word, 40) + " is no type of return mail");
  const std::string reason = note(saying);
  const auto known = reason.empty() ? std::optional(policy::BounceReason::undefined)
                                    : policy::parse_bounce_reason(reason);
  if (!known) return invalid("reason: " + printable(reason, 40) + " is no reason of a bounce");
  said.evidence = {
      .type = *type, .reason = *known, .status = policy::kept_status(trim(text(Use::bounce_code)))};
  said.note = diagnostic;
  return {};
}

Result<void> Record::add_statements(Row& row) {
  if (sayings_.empty()) return {};
  if (auto taken = take_streams(); !taken) return taken;
  row.statements.reserve(sayings_.size() * streams_.size());
  for (const Saying& saying : sayings_) {
    for (const std::string& stream : streams_) {
      auto stated = state(saying, saying.stream.empty() ? std::string_view(stream) : saying.stream,
                          row.statements.emplace_back());
      if (!stated) return stated;
    }
  }
  return {};
}

}  // namespace postern::rows
