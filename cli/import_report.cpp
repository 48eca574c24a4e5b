#include "cli/import_report.h"

#include "base/text.h"
#include "cli/output.h"
#include "store/rows/csv.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <sys/stat.h>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

namespace postern::cli {
namespace {

constexpr std::uint64_t shown_rejections = 20;  // on standard error, where a file has them all
constexpr std::uint64_t most_rejections = 1000;
constexpr std::size_t shown_kept = 100;
constexpr std::uint64_t bar_width = 30;

}  // namespace

ImportReport::ImportReport(std::string name, std::filesystem::path rejects, std::uint64_t octets)
    : name_(std::move(name)), rejects_(std::move(rejects)), octets_(octets) {}

void ImportReport::attach(store::ImportOptions& options) {
  options.rejected = [this](const store::RejectedRow& row) { reject(row); };
  options.kept = [this](const store::KeptRow& row) { keep(row); };
  options.progress = nullptr;
  if (::isatty(STDERR_FILENO) == 1) {
    options.progress = [this](store::ImportOptions::Phase phase, std::uint64_t done) {
      show_progress(phase, done);
    };
  }
}

void ImportReport::reject(const store::RejectedRow& row) {
  ++rejected_;
  if (rejected_ <= (rejects_.empty() ? most_rejections : shown_rejections)) {
    wipe_progress();
    const std::string text = printable(row.text);
    const bool quoted = row.reason.find(text) != std::string::npos;
    std::cerr << fmt::format("{}:{}: {}{}{}\n", name_, row.line, row.reason, quoted ? "" : ": ",
                             quoted ? "" : text);
  }
  if (rejects_.empty() || failed_ != 0) return;
  if (!file_) {
    // Addresses of people: nobody else's to read, and not through somebody's link.
    const int descriptor = ::open(
        rejects_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (descriptor < 0) {
      failed_ = errno;
      return;
    }
    file_.reset(::fdopen(descriptor, "wb"));
    put(rejected_header);
  }
  put(rejected_line(row));
}

void ImportReport::put(std::string_view text) {
  if (failed_ == 0 && std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size()) {
    failed_ = errno;
  }
}

void ImportReport::keep(const store::KeptRow& row) {
  ++kept_;
  if (first_kept_.size() < shown_kept) first_kept_.push_back(row);
}

void ImportReport::show_progress(store::ImportOptions::Phase phase, std::uint64_t done) {
  std::string text;
  if (phase == store::ImportOptions::Phase::writing) {
    text = fmt::format("{}: {} rows written", name_, done);
  } else if (octets_ == 0) {
    text = fmt::format("{}: {} MiB read", name_, done >> 20U);
  } else {
    const std::uint64_t filled = std::min(bar_width, done * bar_width / octets_);
    text = fmt::format("{}: [{:#<{}}{:.<{}}] {} % read", name_, "", filled, "", bar_width - filled,
                       std::min<std::uint64_t>(100, done * 100 / octets_));
  }
  if (text == shown_) return;
  std::cerr << '\r' << fmt::format("{:<{}}", text, shown_.size()) << std::flush;
  shown_ = std::move(text);
}

void ImportReport::wipe_progress() {
  if (shown_.empty()) return;
  std::cerr << '\r' << std::string(shown_.size(), ' ') << '\r';
  shown_.clear();
}

Result<void> ImportReport::finish(const store::ImportSummary& summary) {
  wipe_progress();
  const std::uint64_t said =
      std::min(rejected_, rejects_.empty() ? most_rejections : shown_rejections);
  if (rejected_ > said) {
    std::cerr << fmt::format("{}: and {} more rejected rows\n", name_, rejected_ - said);
  }
  std::ranges::sort(first_kept_, {}, &store::KeptRow::line);
  for (const store::KeptRow& row : first_kept_) {
    std::cerr << fmt::format("{}:{}: kept: {}, {}\n", name_, row.line, one_line(row.address.text),
                             describe(row.hold));
  }
  if (kept_ > first_kept_.size()) {
    std::cerr << fmt::format("{}: and {} more who stay held\n", name_, kept_ - first_kept_.size());
  }
  if (summary.recognised) {
    const auto& file = *summary.recognised;
    std::cerr << fmt::format("{}: taken for {} ({})", name_, file.format, file.encoding);
    if (!file.unused_columns.empty()) {
      std::cerr << "; columns not used: "
                << one_line(fmt::format("{}", fmt::join(file.unused_columns, ", ")));
    }
    std::cerr << '\n';
  }
  if (!summary.import.empty()) {
    std::cerr << fmt::format("{}: recorded as import {}\n", name_, summary.import);
  }
  if (!file_ && failed_ == 0) return summary.error ? Result<void>{} : remove_old_rejects();
  if (file_ && std::fclose(file_.release()) != 0 && failed_ == 0) failed_ = errno;
  if (failed_ != 0) {
    return fail(Errc::io, fmt::format("the rejected rows could not be written to {}: {}",
                                      rejects_.string(), std::system_category().message(failed_)));
  }
  std::cerr << fmt::format("{}: rejected rows are in {}\n", name_, rejects_.string());
  return {};
}

// Those of an earlier import of a file by that name, which has none any more.
Result<void> ImportReport::remove_old_rejects() const {
  if (rejects_.empty()) return {};
  std::string begin(rejected_header.size(), '\0');
  std::ifstream old(rejects_, std::ios::binary);
  if (!old.read(begin.data(), static_cast<std::streamsize>(begin.size())) ||
      begin != rejected_header) {
    return {};
  }
  std::error_code error;
  std::filesystem::remove(rejects_, error);
  if (!error) return {};
  return fail(Errc::io, fmt::format("{}: of an earlier import, and cannot be removed: {}",
                                    one_line(rejects_.string()), error.message()));
}

std::string rejected_line(const store::RejectedRow& row) {
  std::string line = fmt::format("{},", row.line);
  rows::append_csv(line, row.reason);
  line += ',';
  rows::append_csv(line, row.text);
  return line += '\n';
}

std::string describe(const store::ImportSummary& summary) {
  const store::ImportCounts& counts = summary.counts;
  auto text =
      fmt::format("{} rows: {} added, {} unchanged", counts.rows, counts.added, counts.unchanged);
  if (counts.returned != 0) {
    text += fmt::format(", {} returned since (stay lifted)", counts.returned);
  }
  if (counts.ignored != 0) text += fmt::format(", {} that suppress nobody", counts.ignored);
  if (counts.kept != 0) text += fmt::format(", {} kept (they stay held)", counts.kept);
  text += fmt::format(", {} rejected", counts.rejected);
  if (summary.future != 0) text += fmt::format("; {} dated in the future", summary.future);
  if (counts.kept == 0) return text;
  std::vector<std::string> kinds;
  const auto count = [&](std::string_view what, std::uint64_t number) {
    if (number != 0) kinds.push_back(fmt::format("{} {}", what, number));
  };
  count("unsubscribed", summary.kept_unsubscribed);
  count("complained", summary.kept_complained);
  count("bounced", summary.kept_bounced);
  count("blocked", summary.kept_blocked);
  return fmt::format("{}\nkept: {}", text, fmt::join(kinds, ", "));
}

void add(store::ImportSummary& total, const store::ImportSummary& one) {
  total.counts.rows += one.counts.rows;
  total.counts.added += one.counts.added;
  total.counts.unchanged += one.counts.unchanged;
  total.counts.returned += one.counts.returned;
  total.counts.ignored += one.counts.ignored;
  total.counts.kept += one.counts.kept;
  total.counts.rejected += one.counts.rejected;
  total.kept_unsubscribed += one.kept_unsubscribed;
  total.kept_complained += one.kept_complained;
  total.kept_bounced += one.kept_bounced;
  total.kept_blocked += one.kept_blocked;
  total.future += one.future;
}

}  // namespace postern::cli
