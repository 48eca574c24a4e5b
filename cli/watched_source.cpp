#include "cli/watched_source.h"

#include "base/text.h"
#include "cli/changes.h"
#include "cli/import_report.h"
#include "cli/output.h"
#include "cli/source_freshness.h"
#include "store/rows/recogniser.h"

#include <algorithm>
#include <exception>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {
namespace {

using std::chrono::seconds;
using Clock = std::chrono::steady_clock;
using Place = SourceFolder::Place;

constexpr std::uint64_t most_rejections = 100'000;  // that are written down, of one file
constexpr std::size_t longest_reason = 1'000;       // in the log
constexpr std::string_view how_to_put_right =
    "Options that this names are keys of its [[source]]: format, map, dates, status. Put it right, "
    "and move the file back into the folder; or import it by hand.\n";

rows::DateOrder order_of(SourceConfig::Dates dates) {
  switch (dates) {
    case SourceConfig::Dates::day_first:
      return rows::DateOrder::day_first;
    case SourceConfig::Dates::month_first:
      return rows::DateOrder::month_first;
    case SourceConfig::Dates::ask:
      break;
  }
  return rows::DateOrder::ask;
}

// The rows that were rejected, as CSV.
class RejectedRows {
 public:
  explicit RejectedRows(SourceNotes& notes) : notes_(notes) {}

  void add(const store::RejectedRow& row) {
    if (++count_ > most_rejections) return;
    if (count_ == 1) notes_.add(std::string(rejected_header));
    notes_.add(rejected_line(row));
  }
  void finish() {
    if (count_ <= most_rejections) return;
    notes_.add(fmt::format(",and {} more rows,\n", count_ - most_rejections));
  }
  [[nodiscard]] bool none() const { return count_ == 0; }

 private:
  SourceNotes& notes_;
  std::uint64_t count_ = 0;
};

}  // namespace

std::vector<ConfigProblem> check_sources(const Config& config) {
  std::vector<ConfigProblem> problems;
  for (const auto& source : config.sources) {
    if (const auto known = rows::check_format_name(source.format); !known) {
      problems.push_back({source.line.number, "source.format", known.error().text});
    }
  }
  return problems;
}

void WatchedSource::look(const Look& look) {
  import_landed(look);
  look_at_freshness(look);
}

void WatchedSource::import_landed(const Look& look) {
  const auto folder = SourceFolder::open(config_.folder);
  if (!folder) return say_problem(folder_problem_, folder.error().text);
  auto files = folder->files();
  if (!files) return say_problem(folder_problem_, files.error().text);
  if (!folder_problem_.empty()) {
    log::info(fmt::format("source {}: {} can be read", config_.name, config_.folder.string()));
    folder_problem_.clear();
  }
  remember(*files);
  if (pausing(look.now)) return;
  // One that cannot be read to its end must not keep the others waiting.
  std::ranges::sort(*files, {}, [&](const SourceFile& file) {
    return std::tie(seen_.at(file.name).failures, file.version.changed, file.name);
  });
  for (const auto& file : *files) {
    Seen& seen = seen_.at(file.name);
    if (!file.regular) {
      say_problem(seen.problem, file.name + ": is no regular file, and left alone");
    } else if (seen.landed && !take(*folder, file, seen, look)) {
      return;
    }
  }
}

bool WatchedSource::pausing(Time now) const {
  // A clock that was set back does not make it longer.
  return now >= paused_at_ && now < paused_at_ + pause_;
}

void WatchedSource::remember(const std::vector<SourceFile>& files) {
  std::map<std::string, Seen> seen;
  for (const auto& file : files) {
    const auto before = seen_.find(file.name);
    if (before != seen_.end() && before->second.version == file.version) {
      before->second.landed = true;
      seen.insert(seen_.extract(before));
    } else {
      seen[file.name].version = file.version;
    }
  }
  seen_ = std::move(seen);
}

bool WatchedSource::take(const SourceFolder& folder, const SourceFile& file, Seen& seen,
                         const Look& look) {
  if (!seen.outcome) {
    const auto in = folder.read(file);
    if (!in) {
      if (in.error().code != Errc::busy) say_problem(seen.problem, in.error().text);
      return true;
    }
    const auto begun = Clock::now();
    auto outcome = import(**in, folder, file, look);
    // A store that a compaction has moved is taken anew at the next look.
    const auto failed = outcome ? Errc{} : outcome.error().code;
    if (failed == Errc::cancelled) return false;
    if (failed == Errc::busy && look.store.must_reopen()) return false;
    if (!outcome) {
      ++seen.failures;
      pause_ = std::clamp(2 * pause_, first_pause, longest_pause);
      paused_at_ = look.now + std::chrono::duration_cast<seconds>(Clock::now() - begun);
      say_problem(import_problem_, fmt::format("{}: {}; it stays, and is tried again", file.name,
                                               outcome.error().text));
      return false;
    }
    pause_ = seconds{0};
    import_problem_.clear();
    seen.outcome = *std::move(outcome);
  }
  settle(folder, file, seen);
  return true;
}

void WatchedSource::settle(const SourceFolder& folder, const SourceFile& file, Seen& seen) const {
  Outcome& outcome = *seen.outcome;
  const auto where = folder.settle(file, outcome.place, outcome.notes.get());
  if (where) {
    log::write(outcome.level, fmt::format("source {}: {}: {}; it is in {}", config_.name,
                                          printable(file.name), outcome.text, printable(*where)));
    seen.outcome.reset();
    seen.landed = false;
  } else if (where.error().code == Errc::busy) {
    log::info(fmt::format("source {}: {}, and is read again", config_.name, where.error().text));
    seen.outcome.reset();
    seen.landed = false;
  } else {
    say_problem(seen.problem,
                fmt::format("it was read, and cannot be moved away: {}", where.error().text));
  }
}

// Without its notes, where they cannot be written: the rows are in the store, and the same file
// again would be another import.
WatchedSource::Outcome WatchedSource::finished(Outcome outcome) {
  const auto written = outcome.notes->finish();
  if (written) return outcome;
  outcome.notes.reset();
  outcome.level = log::Level::error;
  outcome.text += "; what was rejected cannot be written down: " + written.error().text;
  return outcome;
}

Result<WatchedSource::Outcome> WatchedSource::import(std::istream& in, const SourceFolder& folder,
                                                     const SourceFile& file, const Look& look) {
  Outcome outcome;
  outcome.notes = folder.notes(file, ".rows");
  RejectedRows rejected(*outcome.notes);
  auto how = options(file, look);
  how.rejected = [&](const store::RejectedRow& row) { rejected.add(row); };
  store::ImportSummary summary;
  try {
    summary = store::import_rows(look.store, in, how);
  } catch (const std::exception& error) {
    // The gate's mail does not end with a file that is too much for its memory.
    return fail(Errc::io, error.what());
  }
  // In a store that is not the gate's any more they are lost.
  if (look.store_replaced()) return fail(Errc::cancelled, "given up");
  const bool undone = summary.error && summary.error->code == Errc::conflict;
  if (summary.error && !undone && summary.error->code != Errc::invalid) {
    return std::unexpected(*std::move(summary.error));
  }
  if (summary.error) {
    outcome.place = Place::rejected;
    outcome.notes = folder.notes(file, ".reason");
    outcome.notes->add(summary.error->text + '\n');
    if (!undone) outcome.notes->add(how_to_put_right);
    outcome.level = log::Level::error;
    outcome.text =
        (undone ? "" : "not imported: ") + printable(summary.error->text, longest_reason);
    return finished(std::move(outcome));
  }
  rejected.finish();
  if (!rejected.none()) outcome.level = log::Level::warning;
  outcome.text = fmt::format("{} ({})", one_line(describe(summary)), summary.recognised->format);
  if (brought_something(summary.counts)) last_ = look.now;
  return finished(std::move(outcome));
}

store::ImportOptions WatchedSource::options(const SourceFile& file, const Look& look) const {
  store::ImportOptions how;
  how.status = rows::parse_status(config_.status);
  const auto* stream = look.streams.find(config_.stream);
  how.stream = stream != nullptr ? stream->name : config_.stream;
  how.source = config_.name;
  how.reading = {
      .format = config_.format, .columns = config_.map, .dates = order_of(config_.dates)};
  how.by = said_by_operator("serve", {}).by;
  how.file = file.name;
  how.streams = &look.streams;
  how.now = look.now;
  how.stop = [&look] { return look.ending() || look.store_replaced(); };
  return how;
}

void WatchedSource::say_problem(std::string& said, const std::string& text) const {
  if (said == text) return;
  log::error(fmt::format("source {}: {}", config_.name, printable(text, longest_reason)));
  said = text;
}

void WatchedSource::look_at_freshness(const Look& look) {
  if (config_.stale_after.count() == 0) return;
  const auto stale = [&] { return is_stale(config_, last_.value_or(since_), look.now); };
  const bool due = !read_at_ || look.now < *read_at_ || look.now - *read_at_ >= between_readings;
  // Before a warning too: somebody may just have imported it by hand.
  if (due || (stale() && !warned_at_)) read_freshness(look);
  if (!stale()) {
    if (warned_at_) log::info(fmt::format("source {}: it brings something again", config_.name));
    warned_at_.reset();
    return;
  }
  const bool set_back = warned_at_ && look.now < *warned_at_;
  if (warned_at_ && !set_back && look.now - *warned_at_ < between_warnings) return;
  warned_at_ = look.now;
  log::warning(fmt::format(
      "source {}: {}: {}", config_.name,
      describe_silence(config_, last_.value_or(since_), look.now),
      last_ ? "the last import was " + format_time(*last_) : "there was no import of it yet"));
}

void WatchedSource::read_freshness(const Look& look) {
  const auto imports = look.store.imports();
  if (!imports) return;  // the store's keeper says what is wrong with it
  const auto* newest = newest_import(*imports, config_.name);
  last_ = newest == nullptr ? std::nullopt : newest->ended;
  read_at_ = look.now;
}

}  // namespace postern::cli
