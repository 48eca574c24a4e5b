// What an import says of its rows: those that were rejected, in a file and on standard error;
// contacts that stay held; how far it is; and one summary at the end.
#pragma once

#include "base/result.h"
#include "store/exchange.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace postern::cli {

// Of one file.
class ImportReport {
 public:
  // `name` of the file, for messages; `rejects`: where its rejected rows go, empty for none.
  ImportReport(std::string name, std::filesystem::path rejects, std::uint64_t octets);

  // Sets the callbacks, which must not outlive the report.
  void attach(store::ImportOptions& options);
  // Once the import is over: what was kept and rejected, beyond what was said already. An error is
  // one of the file of rejected rows.
  [[nodiscard]] Result<void> finish(const store::ImportSummary& summary);

 private:
  void put(std::string_view text);
  void reject(const store::RejectedRow& row);
  void keep(const store::KeptRow& row);
  [[nodiscard]] Result<void> remove_old_rejects() const;
  void show_progress(store::ImportOptions::Phase phase, std::uint64_t done);
  void wipe_progress();

  std::string name_;
  std::filesystem::path rejects_;
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  int failed_ = 0;        // the system's code
  std::uint64_t octets_;  // of the file; 0: not known
  std::uint64_t rejected_ = 0;
  std::uint64_t kept_ = 0;
  std::vector<store::KeptRow> first_kept_;
  std::string shown_;  // of the progress
};

// A file of rejected rows: "line,reason,row", as CSV.
inline constexpr std::string_view rejected_header = "line,reason,row\n";
[[nodiscard]] std::string rejected_line(const store::RejectedRow& row);

// "3 rows: 2 added, 0 unchanged, 1 rejected", and a line "kept: unsubscribed 37" where there are
// such.
[[nodiscard]] std::string describe(const store::ImportSummary& summary);
void add(store::ImportSummary& total, const store::ImportSummary& one);

}  // namespace postern::cli
