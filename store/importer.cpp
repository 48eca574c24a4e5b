// An import: the file is read to its end, its rows are sorted as the store's tables are, then they
// are applied in that order, a chunk a commit.
#include "base/text.h"
#include "store/batch.h"
#include "store/event_record.h"
#include "store/exchange.h"
#include "store/impl.h"
#include "store/row_changes.h"
#include "store/sorter.h"
#include "store/spellings.h"
#include "store/utf8.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace postern::store {
namespace {

// Between two commits: a writer that waits gets the lock, which is not handed out by turns.
constexpr std::chrono::milliseconds turn_for_others{2};
constexpr std::uint64_t rows_a_look = 4096;
constexpr std::chrono::days clocks_differ{1};  // and time zones

Error given_up() { return {Errc::cancelled, "given up: the same file again goes on"}; }

int news(const Outcome& outcome) {
  switch (outcome.kind) {
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

}  // namespace

class Importer {
 public:
  Importer(Store& store, const ImportOptions& options)
      : store_(store),
        options_(options),
        sorter_(store.impl_->env->directory(), options.memory / 4 * 3),
        spellings_(store.impl_->env->directory(), options.memory / 4) {}

  ImportSummary run(std::istream& in) {
    if (auto done = read(in); !done) {
      summary_.error = std::move(done).error();
      const Errc code = summary_.error->code;
      if (code == Errc::invalid || code == Errc::cancelled) return std::move(summary_);
    }
    if (!summary_.error || sorter_.size() > 0) {
      if (auto done = write(); !done) summary_.error = std::move(done).error();
    }
    return std::move(summary_);
  }

 private:
  // One row's outcome waits for its commit to be counted.
  struct Pending {
    ImportCounts counts;
    std::vector<KeptRow> kept;
    std::vector<RejectedRow> rejected;
  };

  Result<void> read(std::istream& in) {
    rows::RowReader reader(in, options_.reading);
    auto recognised = reader.recognise();
    if (!recognised) return std::unexpected(recognised.error());
    summary_.recognised = *std::move(recognised);
    const rows::Recognised& file = *summary_.recognised;
    if (auto fits = check_status(file); !fits) return fits;
    import_.source = kept_text(options_.source.empty() ? file.source : options_.source, max_source);
    changes_.emplace(file, options_, import_.source);
    if (auto begun = begin_spellings(); !begun) return begun;
    const KeyHasher hasher(store_.impl_->hash_key);
    OctetWriter out;
    while (auto next = reader.next()) {
      if (next->stop) {
        return fail(Errc::invalid, fmt::format("line {}: {}", next->line, next->row.error().text));
      }
      ++counts_.rows;
      if (counts_.rows % rows_a_look == 0) {
        if (stopped()) return std::unexpected(given_up());
        if (options_.progress) options_.progress(ImportOptions::Phase::reading, reader.octets());
      }
      if (auto taken = take(*next, reader, hasher, out); !taken) return taken;
    }
    if (in.bad()) return fail(Errc::io, "the file could not be read to its end");
    return {};
  }

  Result<void> check_status(const rows::Recognised& file) const {
    const bool contradicts = options_.status == rows::Status::subscribed && file.status &&
                             *file.status != rows::Status::subscribed;
    if (!contradicts || options_.force_format) return {};
    return fail(Errc::invalid,
                fmt::format("this is a list of {} contacts ({}): it is not imported as subscribed; "
                            "leave --status out, or say --force-format",
                            rows::to_string(*file.status), file.format));
  }

  Result<void> begin_spellings() {
    auto txn = store_.impl_->read();
    if (!txn) return std::unexpected(txn.error());
    return spellings_.begin(*txn, store_.impl_->tables);
  }

  Result<void> take(rows::RowReader::Next& next, const rows::RowReader& reader,
                    const KeyHasher& hasher, OctetWriter& out) {
    if (!next.row) {
      reject({next.line, std::move(next.text), std::move(next.row.error().text)});
      return {};
    }
    rows::Row& row = *next.row;
    // Listed as one that is written to: only the caller's word makes something of it.
    if (row.active && options_.status) row.statements.emplace_back();
    if (row.statements.empty()) {
      ++counts_.ignored;
      return {};
    }
    if (std::ranges::any_of(row.statements, [&](const rows::Statement& statement) {
          return statement.date > options_.now + clocks_differ;
        })) {
      ++summary_.future;
    }
    out.clear();
    if (auto encoded = changes_->encode(row, out); !encoded) {
      reject({next.line, reader.line_of(next), std::move(encoded.error().text)});
      return {};
    }
    const ContactKey key = hasher(row.address.text);
    if (auto added = spellings_.add(hasher, row.address, key); !added) return added;
    return sorter_.add({.key = key, .place = next.line, .octets = out.octets()});
  }

  void reject(const RejectedRow& row) {
    ++counts_.rejected;
    if (options_.rejected) options_.rejected(row);
  }

  // The counts of the reading are those of the first commit: they are of no row that waits.
  Result<void> write() {
    import_.by = options_.by;
    import_.file = options_.file;
    import_.format = summary_.recognised->format;
    import_.started = options_.now;
    import_.counts = summary_.counts = counts_;
    if (!options_.dry_run && !spellings_.empty()) {
      auto spelled = in_chunks([&] { return write_spellings(); });
      if (!spelled) return spelled;
    }
    Sorter::Record record;
    auto more = sorter_.next(record);
    auto written = in_chunks([&] { return write_chunk(record, more); });
    if (!written) return written;
    summary_.import = options_.dry_run ? std::string() : import_.name;
    return {};
  }

  // Calls `write_one`, a commit, until it says that nothing is left.
  Result<void> in_chunks(const std::function<Result<bool>()>& write_one) {
    // Compactions may follow each other.
    constexpr int most_reopenings = 10;
    for (int reopened = 0;;) {
      if (stopped()) return std::unexpected(given_up());
      auto more = write_one();
      if (!more && !begun_ && options_.may_reopen && reopened < most_reopenings &&
          store_.must_reopen()) {
        ++reopened;
        spellings_.give_up();
        if (auto done = store_.reopen(); !done) return done;
        continue;
      }
      if (!more) return std::unexpected(more.error());
      if (!*more) return {};
      reopened = 0;
      std::this_thread::sleep_for(turn_for_others);
    }
  }

  [[nodiscard]] bool stopped() const { return options_.stop && options_.stop(); }

  // The record as it is now: somebody may have undone the import, or run it twice at once.
  Result<void> go_on(const Txn& txn) {
    if (options_.dry_run) return {};
    auto known = get_import(txn, store_.impl_->tables, import_.number);
    if (!known) return std::unexpected(known.error());
    if (*known && !(*known)->undone) {
      if ((*known)->origin == import_.origin) import_.last = std::max(import_.last, (*known)->last);
      return {};
    }
    return fail(Errc::conflict,
                fmt::format("import {} was undone while it was under way: what it had not written "
                            "yet is not imported",
                            import_.name));
  }

  Result<Batch> begin_chunk() {
    Store::Impl& impl = *store_.impl_;
    begun_ = false;
    auto batch = Batch::begin(*impl.env, impl.tables, impl.hasher, impl.rules);
    if (!batch) return batch;
    begun_ = true;
    auto ours = named_ ? go_on(batch->txn()) : name_import(batch->txn(), impl.tables, import_);
    if (!ours) return std::unexpected(ours.error());
    return batch;
  }

  Result<void> end_chunk(Batch& batch) {
    if (options_.dry_run) return {};
    if (auto kept = put_import(batch.txn(), store_.impl_->tables, import_); !kept) return kept;
    batch.touch();
    auto committed = batch.commit();
    if (committed) named_ = true;
    return committed;
  }

  // A store that nobody reads is nobody's to write to either: a gate has readers all the time.
  [[nodiscard]] std::size_t rows_a_commit() const {
    constexpr std::size_t undisturbed = 10;
    return store_.impl_->env->readers() == 0 ? undisturbed * options_.chunk : options_.chunk;
  }

  Result<bool> write_spellings() {
    Store::Impl& impl = *store_.impl_;
    const std::lock_guard lock(impl.write_mutex);
    auto batch = begin_chunk();
    if (!batch) return std::unexpected(batch.error());
    auto more = spellings_.write(batch->txn(), impl.tables, rows_a_commit());
    if (!more) return more;
    if (auto ended = end_chunk(*batch); !ended) return std::unexpected(ended.error());
    return more;
  }

  // A commit of rows, up to the end of a contact's where it has not too many.
  Result<bool> write_chunk(Sorter::Record& record, Result<bool>& more) {
    Store::Impl& impl = *store_.impl_;
    const std::lock_guard lock(impl.write_mutex);
    auto batch = begin_chunk();
    if (!batch) return std::unexpected(batch.error());
    auto spelled = spellings_.are_written(batch->txn(), impl.tables);
    if (!spelled) return spelled;
    if (*spelled) batch->expect_spelled();
    batch->of_import(import_, options_.streams);
    batch->expect_order();
    const std::uint64_t before = batch->numbering().last;
    Pending pending;
    ContactKey last{};
    std::size_t rows = 0;
    const std::size_t enough = rows_a_commit();
    for (; more && *more; more = sorter_.next(record)) {
      if (rows >= enough && (record.key != last || rows >= 2 * enough)) break;
      last = record.key;
      ++rows;
      if (auto applied = apply(*batch, record, pending); !applied) {
        return std::unexpected(applied.error());
      }
    }
    if (!more) return more;
    note_events(*batch, before);
    add(import_.counts, pending.counts);
    // A file that was read in part only is not done.
    if (!*more && !summary_.error) import_.ended = options_.now;
    if (auto ended = end_chunk(*batch); !ended) return std::unexpected(ended.error());
    named_ = true;
    count(pending);
    written_ += rows;
    if (options_.progress) options_.progress(ImportOptions::Phase::writing, written_);
    return more;
  }

  Result<void> apply(Batch& batch, const Sorter::Record& record, Pending& pending) {
    if (!changes_->decode(record.octets, decoded_)) {
      return fail(Errc::damaged, "a sorted row does not read");
    }
    std::optional<Outcome> most;
    for (const Change& change : decoded_) {
      auto outcome = batch.apply(change, record.key, options_.now);
      if (!outcome) {
        if (outcome.error().code != Errc::invalid) return std::unexpected(outcome.error());
        ++pending.counts.rejected;
        pending.rejected.push_back(
            {record.place, printable(address_of(change).text), std::move(outcome).error().text});
        return {};
      }
      if (!most || news(*outcome) > news(*most)) most = *std::move(outcome);
    }
    switch (most->kind) {
      case Outcome::Kind::changed:
        ++pending.counts.added;
        break;
      case Outcome::Kind::unchanged:
        ++pending.counts.unchanged;
        break;
      case Outcome::Kind::returned:
        ++pending.counts.returned;
        break;
      case Outcome::Kind::kept:
        ++pending.counts.kept;
        pending.kept.push_back({record.place, address_of(decoded_.front()), *most->held_by});
        break;
    }
    return {};
  }

  static const policy::CanonicalAddress& address_of(const Change& change) {
    return std::visit(
        [](const auto& which) -> const policy::CanonicalAddress& { return which.address; }, change);
  }

  void note_events(const Batch& batch, std::uint64_t before) {
    const Numbering& now = batch.numbering();
    if (now.last == before) return;
    if (import_.first == 0 || import_.origin != now.origin) {
      import_.origin = now.origin;
      import_.first = before + 1;
    }
    import_.last = now.last;
  }

  static void add(ImportCounts& to, const ImportCounts& from) {
    to.added += from.added;
    to.unchanged += from.unchanged;
    to.returned += from.returned;
    to.kept += from.kept;
    to.rejected += from.rejected;
  }

  // What is in the store now.
  void count(const Pending& pending) {
    summary_.counts = import_.counts;
    for (const RejectedRow& row : pending.rejected) {
      if (options_.rejected) options_.rejected(row);
    }
    for (const KeptRow& row : pending.kept) {
      switch (row.hold.kind) {
        case policy::HoldKind::unsubscribed:
          ++summary_.kept_unsubscribed;
          break;
        case policy::HoldKind::complained:
          ++summary_.kept_complained;
          break;
        case policy::HoldKind::bounced:
          ++summary_.kept_bounced;
          break;
        case policy::HoldKind::blocked:
          ++summary_.kept_blocked;
          break;
      }
      if (options_.kept) options_.kept(row);
    }
  }

  Store& store_;
  const ImportOptions& options_;
  Sorter sorter_;
  Spellings spellings_;
  ImportSummary summary_;
  ImportCounts counts_;  // of the reading: rows, ignored, rejected
  ImportRecord import_;
  std::optional<RowChanges> changes_;  // since the file was recognised
  std::vector<Change> decoded_;
  std::uint64_t written_ = 0;
  bool named_ = false;  // it is on record
  bool begun_ = false;  // the last chunk got its transaction, and took rows
};

ImportSummary import_rows(Store& store, std::istream& in, const ImportOptions& options) {
  return Importer(store, options).run(in);
}

}  // namespace postern::store
