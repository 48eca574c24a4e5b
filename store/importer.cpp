#include "base/text.h"
#include "store/event_record.h"
#include "store/exchange.h"
#include "store/utf8.h"

#include <algorithm>
#include <iterator>
#include <span>
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

struct Statuses {
  RowStatus first;
  std::optional<RowStatus> second;
};

// A row's own word counts against the caller's only towards more restriction: where both restrict,
// and differ, both hold.
Statuses statuses_of(const Row& row, const ImportOptions& options) {
  if (!row.status) return {options.status.value_or(RowStatus::unsubscribed), std::nullopt};
  if (!options.status || *options.status == *row.status) return {*row.status, std::nullopt};
  if (restriction(*row.status) == 0) return {*options.status, std::nullopt};
  if (restriction(*options.status) == 0) return {*row.status, std::nullopt};
  return {*row.status, options.status};
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

Result<Change> change_of(const Row& row, RowStatus status, const ImportOptions& options) {
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
    return GiveConsent{row.address, std::move(scope), row.date, std::move(origin)};
  }
  if (origin.source.empty()) origin.source = default_source;
  // The end that a row names is of what the row says, not of what the caller adds to it.
  const bool own = row.status.value_or(status) == status;
  return PlaceHold{.address = row.address,
                   .kind = kind_of(status),
                   .scope = std::move(scope),
                   .date = row.date,
                   .until = own ? row.until : std::nullopt,
                   .imported = true,
                   .origin = std::move(origin)};
}

Result<std::vector<Change>> changes_of(const Row& row, const ImportOptions& options) {
  const Statuses statuses = statuses_of(row, options);
  std::vector<Change> changes;
  for (const auto status : {std::optional(statuses.first), statuses.second}) {
    if (!status) continue;
    auto change = change_of(row, *status, options);
    if (!change) return std::unexpected(std::move(change).error());
    changes.push_back(*std::move(change));
  }
  return changes;
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

int news(const Result<Outcome>& outcome) {
  if (!outcome) return 3;
  switch (outcome->kind) {
    case Outcome::Kind::changed:
      return 2;
    case Outcome::Kind::returned:
    case Outcome::Kind::kept:
      return 1;
    case Outcome::Kind::unchanged:
      break;
  }
  return 0;
}

class Importer {
 public:
  Importer(Store& store, const ImportOptions& options) : store_(store), options_(options) {}

  ImportSummary run(std::istream& in) {
    RowReader reader(in);
    while (auto next = reader.next()) {
      take(*std::move(next));
      if (changes_.size() >= options_.chunk && !flush()) return finished();
    }
    if (flush() && in.bad()) {
      summary_.error = {Errc::io, "the file could not be read to its end"};
    }
    return finished();
  }

 private:
  // A row whose changes wait to be stored.
  struct Pending {
    std::uint64_t line;
    std::string text;
    std::size_t changes;
  };

  void take(RowReader::Next next) {
    ++summary_.rows;
    if (!next.row) {
      reject(next.line, std::move(next.text), std::move(next.row.error().text));
      return;
    }
    auto changes = changes_of(*next.row, options_);
    if (!changes) {
      reject(next.line, std::move(next.text), std::move(changes.error().text));
      return;
    }
    pending_.push_back({next.line, std::move(next.text), changes->size()});
    std::ranges::move(*changes, std::back_inserter(changes_));
  }

  bool flush() {
    if (changes_.empty()) return true;
    auto outcomes = store_.change_each(changes_, options_.now);
    if (!outcomes) {
      summary_.rows -= pending_.size();
      summary_.error = std::move(outcomes).error();
      return false;
    }
    std::span<Result<Outcome>> left(*outcomes);
    for (Pending& row : pending_) {
      auto outcome = std::move(*std::ranges::max_element(left.first(row.changes), {}, news));
      left = left.subspan(row.changes);
      if (outcome) {
        count(*outcome, summary_);
      } else {
        reject(row.line, std::move(row.text), std::move(outcome.error().text));
      }
    }
    pending_.clear();
    changes_.clear();
    return true;
  }

  void reject(std::uint64_t line, std::string text, std::string reason) {
    ++summary_.rejected;
    if (summary_.rejections.size() < max_rejections) {
      summary_.rejections.push_back({line, std::move(text), std::move(reason)});
    }
  }

  // Those that the store rejected were found later than those around them.
  ImportSummary finished() {
    std::ranges::sort(summary_.rejections, {}, &RejectedRow::line);
    return std::move(summary_);
  }

  Store& store_;
  const ImportOptions& options_;
  ImportSummary summary_;
  std::vector<Change> changes_;
  std::vector<Pending> pending_;
};

}  // namespace

ImportSummary import_rows(Store& store, std::istream& in, const ImportOptions& options) {
  return Importer(store, options).run(in);
}

}  // namespace postern::store
