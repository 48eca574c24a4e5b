#include "base/text.h"
#include "store/event_record.h"
#include "store/exchange.h"
#include "store/utf8.h"

#include <algorithm>
#include <utility>

namespace postern::store {
namespace {

constexpr std::size_t max_rejections = 1000;  // that are listed
constexpr std::string_view default_source = "import";

// From the least restrictive.
int restriction(RowStatus status) {
  switch (status) {
    case RowStatus::subscribed:
      return 0;
    case RowStatus::unsubscribed:
      return 1;
    case RowStatus::bounced:
      return 2;
    case RowStatus::complained:
      return 3;
    case RowStatus::blocked:
      break;
  }
  return 4;
}

// A row's own word counts against the caller's only towards more restriction.
RowStatus status_of(const Row& row, const ImportOptions& options) {
  if (!row.status) return options.status.value_or(RowStatus::unsubscribed);
  if (!options.status) return *row.status;
  return std::max(*row.status, *options.status,
                  [](RowStatus a, RowStatus b) { return restriction(a) < restriction(b); });
}

policy::HoldKind kind_of(RowStatus status) {
  switch (status) {
    case RowStatus::bounced:
      return policy::HoldKind::bounced;
    case RowStatus::complained:
      return policy::HoldKind::complained;
    case RowStatus::blocked:
      return policy::HoldKind::blocked;
    case RowStatus::unsubscribed:
    case RowStatus::subscribed:
      break;
  }
  return policy::HoldKind::unsubscribed;
}

policy::Scope scope_of(std::string_view name) {
  if (name.empty()) return {policy::Scope::Kind::marketing, {}};
  if (name == "all") return {policy::Scope::Kind::all, {}};
  return {policy::Scope::Kind::stream, std::string(name)};
}

// INTERFACE.md, "What a sender sees": only an unsubscription or a consent is about a stream.
policy::Scope scope_of(const Row& row, RowStatus status, const ImportOptions& options) {
  if (restriction(status) > restriction(RowStatus::unsubscribed)) return {};
  return scope_of(row.scope.empty() ? options.stream : row.scope);
}

Result<Change> change_of(Row row, const ImportOptions& options) {
  const RowStatus status = status_of(row, options);
  Origin origin{kept_text(row.source.empty() ? options.source : row.source, max_source),
                kept_text(row.note, max_note)};
  if (row.address.is_domain() && status != RowStatus::blocked &&
      status != RowStatus::unsubscribed) {
    return fail(Errc::invalid, "a whole domain can be blocked or unsubscribed, nothing else");
  }
  policy::Scope scope = scope_of(row, status, options);
  if (status == RowStatus::subscribed) {
    if (origin.source.empty()) {
      return fail(Errc::invalid,
                  "a subscribed row without a source: where does the consent come from?");
    }
    return GiveConsent{std::move(row.address), std::move(scope), row.date, std::move(origin)};
  }
  if (origin.source.empty()) origin.source = default_source;
  return PlaceHold{.address = std::move(row.address),
                   .kind = kind_of(status),
                   .scope = std::move(scope),
                   .date = row.date,
                   .until = row.until,
                   .imported = true,
                   .origin = std::move(origin)};
}

void count(const Outcome& outcome, ImportSummary& summary) {
  switch (outcome.kind) {
    case Outcome::Kind::changed:
      ++summary.added;
      return;
    case Outcome::Kind::unchanged:
      ++summary.unchanged;
      return;
    case Outcome::Kind::returned:
      ++summary.returned;
      return;
    case Outcome::Kind::kept:
      ++summary.kept;
      break;
  }
  switch (outcome.held_by.value_or(policy::HoldKind::unsubscribed)) {
    case policy::HoldKind::unsubscribed:
      ++summary.kept_unsubscribed;
      return;
    case policy::HoldKind::complained:
      ++summary.kept_complained;
      return;
    case policy::HoldKind::bounced:
      ++summary.kept_bounced;
      return;
    case policy::HoldKind::blocked:
      ++summary.kept_blocked;
      return;
  }
}

void reject(ImportSummary& summary, std::uint64_t line, std::string text, std::string reason) {
  ++summary.rejected;
  if (summary.rejections.size() < max_rejections) {
    summary.rejections.push_back({line, std::move(text), std::move(reason)});
  }
}

Result<void> store_chunk(Store& store, std::vector<Change>& chunk, const ImportOptions& options,
                         ImportSummary& summary) {
  if (chunk.empty()) return {};
  auto outcomes = store.change(chunk, options.now);
  if (!outcomes) return std::unexpected(outcomes.error());
  for (const Outcome& outcome : *outcomes) count(outcome, summary);
  chunk.clear();
  return {};
}

}  // namespace

Result<ImportSummary> import_rows(Store& store, std::istream& in, const ImportOptions& options) {
  ImportSummary summary;
  RowReader reader(in);
  std::vector<Change> chunk;
  while (auto next = reader.next()) {
    ++summary.rows;
    if (!next->row) {
      reject(summary, next->line, std::move(next->text), std::move(next->row.error().text));
      continue;
    }
    auto change = change_of(std::move(*next->row), options);
    if (!change) {
      reject(summary, next->line, std::move(next->text), std::move(change.error().text));
      continue;
    }
    chunk.push_back(std::move(*change));
    if (chunk.size() < options.chunk) continue;
    if (auto stored = store_chunk(store, chunk, options, summary); !stored) {
      return std::unexpected(stored.error());
    }
  }
  if (auto stored = store_chunk(store, chunk, options, summary); !stored) {
    return std::unexpected(stored.error());
  }
  if (in.bad()) return fail(Errc::io, "the file could not be read to its end");
  return summary;
}

}  // namespace postern::store
