#include "base/text.h"
#include "policy/decision.h"
#include "store/digests.h"
#include "store/exchange.h"
#include "store/rows/csv.h"
#include "store/standing.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postern::store {
namespace {

using policy::Scope;

constexpr std::size_t page_size = 1000;  // contacts of one read transaction

struct OutRow {
  std::string_view address;
  std::string_view status;
  std::string_view stream;
  std::string date;
  std::string until;
  std::string source;
  std::string reason;
  std::string hold;                 // what it is known by, in hex
  std::vector<std::string> except;  // the streams that it was lifted for
  // Of return mail that placed it.
  std::string evidence;
  std::string code;
  std::string diagnostic;
  MailDetails mail;
};

// Empty where the importer's own choice for the status is this scope.
std::string_view stream_of(const Scope& scope, bool whole_by_default) {
  if (scope.kind == Scope::Kind::stream) return scope.stream;
  return scope.kind == Scope::Kind::all && !whole_by_default ? "all" : "";
}

class Format {
 public:
  Format(std::ostream& out, ExportFormat format) : out_(out), format_(format) {
    if (format == ExportFormat::csv)
      out_ << "address,status,stream,date,until,source,reason,hold,except,evidence,code,diagnostic,"
              "campaign,remote_mta,reporting_mta,message_id\n";
  }

  void write(const OutRow& row) {
    line_.clear();
    if (format_ == ExportFormat::csv) {
      csv(row);
    } else {
      json(row);
    }
    out_ << line_ << '\n';
  }

 private:
  void csv(const OutRow& row) {
    rows::append_csv(line_, row.address);
    for (const std::string_view field :
         {row.status, row.stream, std::string_view(row.date), std::string_view(row.until),
          std::string_view(row.source), std::string_view(row.reason), std::string_view(row.hold)}) {
      line_ += ',';
      rows::append_csv(line_, field);
    }
    line_ += ',';
    rows::append_csv(line_, fmt::format("{}", fmt::join(row.except, " ")));
    for (const std::string* field :
         {&row.evidence, &row.code, &row.diagnostic, &row.mail.campaign, &row.mail.remote_mta,
          &row.mail.reporting_mta, &row.mail.message_id}) {
      line_ += ',';
      rows::append_csv(line_, *field);
    }
  }

  void json(const OutRow& row) {
    boost::json::object object;
    const auto add = [&](std::string_view name, std::string_view value) {
      if (!value.empty()) object[name] = value;
    };
    add("address", row.address);
    add("status", row.status);
    add("stream", row.stream);
    add("date", row.date);
    add("until", row.until);
    add("source", row.source);
    add("reason", row.reason);
    add("hold", row.hold);
    if (!row.except.empty()) {
      auto& except = object["except"].emplace_array();
      for (const std::string& word : row.except) except.emplace_back(word);
    }
    add("evidence", row.evidence);
    add("code", row.code);
    add("diagnostic", row.diagnostic);
    add("campaign", row.mail.campaign);
    add("remote_mta", row.mail.remote_mta);
    add("reporting_mta", row.mail.reporting_mta);
    add("message_id", row.mail.message_id);
    line_ = boost::json::serialize(object);
  }

  std::ostream& out_;
  ExportFormat format_;
  std::string line_;
};

class Exporter {
 public:
  // `stream`: the one that options name; none for all.
  Exporter(const Store& store, std::ostream& out, const ExportOptions& options,
           const policy::Stream* stream)
      : store_(store),
        out_(out),
        options_(options),
        stream_(stream),
        format_(out, options.format) {}

  Result<ExportSummary> run() {
    std::string after;
    do {
      auto page = store_.contacts(after, page_size);
      if (!page) return std::unexpected(page.error());
      for (const ContactRecord& record : page->records) {
        if (!can_be_named(record)) {
          if (is_wanted(record.contact)) ++summary_.nameless;
          continue;
        }
        auto done = options_.format == ExportFormat::postfix ? access_line(record) : rows(record);
        if (!done) return std::unexpected(done.error());
      }
      if (!out_) return fail(Errc::io, "the export could not be written to its end");
      after = std::move(page->last_key);
    } while (!after.empty());
    out_.flush();
    if (!out_) return fail(Errc::io, "the export could not be written to its end");
    return summary_;
  }

 private:
  [[nodiscard]] bool wanted(const policy::Hold& hold, const policy::Contact& contact) const {
    if (lifted_whole(hold, contact) || over(hold, options_.now)) return false;
    if (options_.since && hold.date < *options_.since) return false;
    if (options_.status && *options_.status != status_of(hold.kind)) return false;
    return stream_ == nullptr ||
           policy::binds(hold, contact, *stream_, *options_.streams, options_.now);
  }
  [[nodiscard]] bool wanted(const policy::Consent& consent, const policy::Contact& contact) const {
    if (policy::withdrawn(consent, contact)) return false;
    // A tool that takes a hash list takes every entry for one who left.
    if (options_.hashed && options_.status != rows::Status::subscribed) return false;
    if (options_.since && consent.date < *options_.since) return false;
    if (options_.status && *options_.status != rows::Status::subscribed) return false;
    return stream_ == nullptr || permission_covers(consent.scope, *stream_, *options_.streams);
  }
  [[nodiscard]] bool is_wanted(const policy::Contact& contact) const {
    const auto any = [&](const auto& ones) {
      return std::ranges::any_of(ones, [&](const auto& one) { return wanted(one, contact); });
    };
    const bool consents_too = options_.format != ExportFormat::postfix;
    return any(contact.holds) || (consents_too && any(contact.consents));
  }
  // Not where its address was erased; as a digest of the wanted kind; as the key of a map, which
  // holds no blanks.
  [[nodiscard]] bool can_be_named(const ContactRecord& record) const {
    const std::string_view text = record.address.text;
    if (text.empty()) return false;
    if (options_.format == ExportFormat::postfix) {
      return !record.address.is_digest() && text.find_first_of(" \t\r\n\"") == text.npos &&
             !text.starts_with('#');
    }
    if (!options_.hashed) return true;
    return record.address.is_digest() ? text.size() == hex_digest(*options_.hashed, "").size()
                                      : !record.address.is_domain();
  }
  [[nodiscard]] static rows::Status status_of(policy::HoldKind kind) {
    switch (kind) {
      case policy::HoldKind::bounced:
        return rows::Status::bounced;
      case policy::HoldKind::complained:
        return rows::Status::complained;
      case policy::HoldKind::blocked:
        return rows::Status::blocked;
      case policy::HoldKind::unsubscribed:
        break;
    }
    return rows::Status::unsubscribed;
  }

  Result<void> rows(const ContactRecord& record) {
    const policy::Contact& contact = record.contact;
    for (const policy::Hold& hold : contact.holds) {
      if (!wanted(hold, contact)) continue;
      const bool whole = hold.kind != policy::HoldKind::unsubscribed;
      OutRow row{.address = record.address.text,
                 .status = rows::to_string(status_of(hold.kind)),
                 .stream = stream_of(hold.scope, whole),
                 .date = format_time(hold.date),
                 .until = hold.until ? format_time(*hold.until) : "",
                 .source = {},
                 .reason = {},
                 .hold = to_hex(hold.id.octets),
                 .except = lifted_for(hold, contact),
                 .evidence = {},
                 .code = {},
                 .diagnostic = {},
                 .mail = {}};
      if (auto done = write(std::move(row), hold.event); !done) return done;
    }
    for (const policy::Consent& consent : contact.consents) {
      if (!wanted(consent, contact)) continue;
      OutRow row{.address = record.address.text,
                 .status = rows::to_string(rows::Status::subscribed),
                 .stream = stream_of(consent.scope, false),
                 .date = format_time(consent.date),
                 .until = {},
                 .source = {},
                 .reason = {},
                 .hold = {},
                 .except = {},
                 .evidence = {},
                 .code = {},
                 .diagnostic = {},
                 .mail = {}};
      if (auto done = write(std::move(row), consent.event); !done) return done;
    }
    return {};
  }

  // By name, in the words of a row: "all" cannot be among them, such a hold is lifted whole.
  static std::vector<std::string> lifted_for(const policy::Hold& hold,
                                             const policy::Contact& contact) {
    std::vector<std::string> words;
    for (const policy::Lift& lift : contact.lifts) {
      if (lift.hold != hold.id) continue;
      words.push_back(lift.scope.kind == Scope::Kind::stream ? lift.scope.stream
                                                             : std::string(rows::every_marketing));
    }
    return words;
  }

  // A hold binds though a damaged page took what was said of it.
  Result<HistoryEntry> event_of(const policy::EventId& event) const {
    auto entry = store_.event(event);
    if (!entry && entry.error().code == Errc::not_found) return HistoryEntry{};
    return entry;
  }

  static const policy::ReturnEvidence* evidence_of(const policy::Facts& facts) {
    const auto* placed = std::get_if<policy::HoldPlaced>(&facts);
    return placed != nullptr && placed->evidence ? &*placed->evidence : nullptr;
  }

  // Other return mail than a bounce or a delay has none.
  static std::string_view reason_of(const policy::ReturnEvidence& evidence) {
    const bool bounce =
        evidence.type == policy::ReturnType::bounce || evidence.type == policy::ReturnType::delayed;
    return bounce || evidence.reason != policy::BounceReason::undefined ? to_string(evidence.reason)
                                                                        : std::string_view();
  }

  [[nodiscard]] bool matches_reason(const HistoryEntry& entry) const {
    if (contains_nocase(entry.note, options_.reason)) return true;
    const auto* evidence = evidence_of(entry.event.facts);
    return evidence != nullptr && (contains_nocase(reason_of(*evidence), options_.reason) ||
                                   evidence->status == options_.reason);
  }

  Result<void> write(OutRow row, const policy::EventId& event) {
    auto entry = event_of(event);
    if (!entry) return std::unexpected(entry.error());
    if (!matches_reason(*entry)) return {};
    row.source = std::move(entry->source);
    row.mail = std::move(entry->mail);
    if (const auto* evidence = evidence_of(entry->event.facts)) {
      row.evidence = to_string(evidence->type);
      row.reason = reason_of(*evidence);
      row.code = evidence->status;
      row.diagnostic = std::move(entry->note);
    } else {
      row.reason = std::move(entry->note);
    }
    std::string digest;
    if (options_.hashed && !is_digest(row.address)) {
      digest = hex_digest(*options_.hashed, row.address);
      row.address = digest;
    }
    if (options_.hashed) {
      row = {.address = row.address,
             .status = row.status,
             .stream = row.stream,
             .date = std::move(row.date),
             .until = std::move(row.until),
             .source = {},
             .reason = {},
             .hold = {},
             .except = std::move(row.except),
             .evidence = {},
             .code = {},
             .diagnostic = {},
             .mail = {}};
    }
    format_.write(row);
    ++summary_.rows;
    return {};
  }

  // access(5): "user@domain", "domain", ".domain". The gravest hold speaks.
  Result<void> access_line(const ContactRecord& record) {
    std::string_view key = record.address.text;
    if (record.address.is_domain()) key.remove_prefix(1);
    policy::Contact standing;
    for (const policy::Hold& hold : record.contact.holds) {
      if (!wanted(hold, record.contact)) continue;
      if (!options_.reason.empty()) {
        auto entry = event_of(hold.event);
        if (!entry) return std::unexpected(entry.error());
        if (!matches_reason(*entry)) continue;
      }
      standing.holds.push_back(hold);
    }
    const auto hold = foremost(standing, Scope{}, options_.now);
    if (!hold) return {};
    const policy::Verdict verdict{reason_of(hold->kind), record.address.is_domain(), hold->date,
                                  hold->event};
    const policy::Refusal refusal = policy::refusal(verdict, "", "", false);
    out_ << key << " REJECT " << refusal.enhanced_status_code << ' ' << refusal.text << '\n';
    ++summary_.rows;
    return {};
  }

  [[nodiscard]] static policy::Reason reason_of(policy::HoldKind kind) {
    switch (kind) {
      case policy::HoldKind::complained:
        return policy::Reason::complained;
      case policy::HoldKind::bounced:
        return policy::Reason::bounced;
      case policy::HoldKind::blocked:
        return policy::Reason::blocked;
      case policy::HoldKind::unsubscribed:
        break;
    }
    return policy::Reason::unsubscribed;
  }

  const Store& store_;
  std::ostream& out_;
  const ExportOptions& options_;
  const policy::Stream* stream_;
  Format format_;
  ExportSummary summary_;
};

}  // namespace

Result<ExportSummary> export_rows(const Store& store, std::ostream& out,
                                  const ExportOptions& options) {
  const policy::Stream* stream = nullptr;
  if (!options.stream.empty()) {
    if (options.streams != nullptr) stream = options.streams->find(options.stream);
    if (stream == nullptr) {
      return fail(Errc::invalid, fmt::format("no stream of the configuration is named '{}'",
                                             printable(options.stream, 100)));
    }
  }
  return Exporter(store, out, options, stream).run();
}

}  // namespace postern::store
