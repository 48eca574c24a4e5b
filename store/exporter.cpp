#include "base/text.h"
#include "policy/decision.h"
#include "store/csv.h"
#include "store/exchange.h"
#include "store/standing.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

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
};

std::string_view status_of(RowStatus status) {
  switch (status) {
    case RowStatus::unsubscribed:
      return "unsubscribed";
    case RowStatus::bounced:
      return "bounced";
    case RowStatus::complained:
      return "complained";
    case RowStatus::blocked:
      return "blocked";
    case RowStatus::subscribed:
      break;
  }
  return "subscribed";
}

// Empty where the importer's own choice for the status is this scope.
std::string_view stream_of(const Scope& scope, bool whole_by_default) {
  if (scope.kind == Scope::Kind::stream) return scope.stream;
  return scope.kind == Scope::Kind::all && !whole_by_default ? "all" : "";
}

class Format {
 public:
  Format(std::ostream& out, ExportFormat format) : out_(out), format_(format) {
    if (format == ExportFormat::csv) out_ << "address,status,stream,date,until,source,reason\n";
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
    append_csv(line_, row.address);
    for (const std::string_view field :
         {row.status, row.stream, std::string_view(row.date), std::string_view(row.until),
          std::string_view(row.source), std::string_view(row.reason)}) {
      line_ += ',';
      append_csv(line_, field);
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

  Result<std::uint64_t> run() {
    std::string after;
    do {
      auto page = store_.contacts(after, page_size);
      if (!page) return std::unexpected(page.error());
      for (const ContactRecord& record : page->records) {
        if (record.address.text.empty()) continue;  // erased: there is nothing to name it by
        auto done = options_.format == ExportFormat::postfix ? access_line(record) : rows(record);
        if (!done) return std::unexpected(done.error());
      }
      if (!out_) return fail(Errc::io, "the export could not be written to its end");
      after = std::move(page->last_key);
    } while (!after.empty());
    out_.flush();
    if (!out_) return fail(Errc::io, "the export could not be written to its end");
    return written_;
  }

 private:
  // A hold that was lifted for some streams cannot be said in a row: it goes out whole, the
  // restriction wins.
  [[nodiscard]] bool wanted(const policy::Hold& hold, const policy::Contact& contact) const {
    return !lifted_whole(hold, contact) && !over(hold, options_.now) &&
           wanted(hold.scope, status_of(hold.kind));
  }
  [[nodiscard]] bool wanted(const Scope& scope, RowStatus status) const {
    if (options_.status && *options_.status != status) return false;
    if (stream_ == nullptr) return true;
    return status == RowStatus::subscribed ? permission_covers(scope, *stream_, *options_.streams)
                                           : hold_covers(scope, *stream_, *options_.streams);
  }
  [[nodiscard]] static RowStatus status_of(policy::HoldKind kind) {
    switch (kind) {
      case policy::HoldKind::bounced:
        return RowStatus::bounced;
      case policy::HoldKind::complained:
        return RowStatus::complained;
      case policy::HoldKind::blocked:
        return RowStatus::blocked;
      case policy::HoldKind::unsubscribed:
        break;
    }
    return RowStatus::unsubscribed;
  }

  Result<void> rows(const ContactRecord& record) {
    for (const policy::Hold& hold : record.contact.holds) {
      if (!wanted(hold, record.contact)) continue;
      const bool whole = hold.kind != policy::HoldKind::unsubscribed;
      const OutRow row{.address = record.address.text,
                       .status = store::status_of(status_of(hold.kind)),
                       .stream = stream_of(hold.scope, whole),
                       .date = format_time(hold.date),
                       .until = hold.until ? format_time(*hold.until) : "",
                       .source = {},
                       .reason = {}};
      if (auto done = write(row, hold.event); !done) return done;
    }
    for (const policy::Consent& consent : record.contact.consents) {
      if (!wanted(consent.scope, RowStatus::subscribed)) continue;
      const OutRow row{.address = record.address.text,
                       .status = store::status_of(RowStatus::subscribed),
                       .stream = stream_of(consent.scope, false),
                       .date = format_time(consent.date),
                       .until = {},
                       .source = {},
                       .reason = {}};
      if (auto done = write(row, consent.event); !done) return done;
    }
    return {};
  }

  Result<void> write(OutRow row, const policy::EventId& event) {
    auto entry = store_.event(event);
    if (!entry) return std::unexpected(entry.error());
    row.source = std::move(entry->source);
    row.reason = std::move(entry->note);
    format_.write(row);
    ++written_;
    return {};
  }

  // access(5): "user@domain", "domain", ".domain". The gravest hold speaks; a key with blanks no
  // map can hold.
  Result<void> access_line(const ContactRecord& record) {
    std::string_view key = record.address.text;
    if (record.address.is_domain()) key.remove_prefix(1);
    if (key.find_first_of(" \t\r\n\"") != key.npos || key.starts_with('#')) return {};
    policy::Contact standing;
    for (const policy::Hold& hold : record.contact.holds) {
      if (wanted(hold, record.contact)) standing.holds.push_back(hold);
    }
    const auto kind = foremost(standing, Scope{}, options_.now);
    if (!kind) return {};
    const auto hold = std::ranges::min(standing.holds, {}, [&](const policy::Hold& one) {
      return std::pair(one.kind != *kind, one.date);
    });
    const policy::Verdict verdict{reason_of(*kind), record.address.is_domain(), hold.date,
                                  hold.event};
    const policy::Refusal refusal = policy::refusal(verdict, "", "", false);
    out_ << key << " REJECT " << refusal.enhanced_status_code << ' ' << refusal.text << '\n';
    ++written_;
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
  std::uint64_t written_ = 0;
};

}  // namespace

Result<std::uint64_t> export_rows(const Store& store, std::ostream& out,
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
