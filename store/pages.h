// The page check: every page that a snapshot of a store's data file leads to, read without LMDB,
// which believes what it reads and can crash on a damaged page. From one of the two meta pages down
// every tree: the table of tables, each table, the trees and pages of values, overflow pages, and
// the list of free pages.
//
// A page that does not check is named with its table; what it alone leads to is lost, and all else
// is read and counted, and handed on where that is asked for.
#pragma once

#include "base/result.h"
#include "store/env.h"
#include "store/octets.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::store {

struct PageProblem {
  std::uint64_t page = 0;
  std::string table;  // "(tables)", "(free pages)" and "(file)" are LMDB's own
  std::string what;   // completes "page 5 of addresses: "
};
[[nodiscard]] std::string describe(const PageProblem& problem);

struct PageReport {
  struct Table {
    std::string name;
    std::uint64_t pages = 0;  // sound ones
    std::uint64_t entries = 0;
    bool sound = true;
  };
  std::vector<Table> tables;  // LMDB's own first
  std::vector<PageProblem> problems;
  std::uint64_t more_problems = 0;  // beyond those that are listed
  std::uint64_t transaction = 0;    // of the snapshot
  // Neither in use nor free: no damage, but space that nobody gets back, and LMDB makes no compact
  // copy of such a file. Of a sound file.
  std::uint64_t lost_pages = 0;

  [[nodiscard]] bool sound() const { return problems.empty(); }
};

// Called with every entry of a sound page, table by table in the order of keys; of a key with many
// values with each. The views are gone when it returns.
using EntrySink = std::function<void(std::string_view table, Octets key, Octets value)>;

// Of a file that nobody writes to: a backup, a copy, the store of a gate that does not run. Errors:
// io; damaged where there is no snapshot to begin with.
[[nodiscard]] Result<PageReport> check_pages(const std::filesystem::path& data_file,
                                             const EntrySink& entry = {});
// Of an open store, while it is written to: its newest snapshot is kept as it is meanwhile, so the
// file grows by what is changed.
[[nodiscard]] Result<PageReport> check_pages(const Env& env, const EntrySink& entry = {});

// Of the store in a directory, in use or not, however damaged: LMDB is asked for a snapshot to be
// kept, and for nothing else; where it refuses the file it is read as nobody's.
[[nodiscard]] Result<PageReport> check_store_pages(const std::filesystem::path& directory,
                                                   const EntrySink& entry = {});

// Errc::damaged, with the first problem in its text.
[[nodiscard]] Result<void> require_sound(const PageReport& report,
                                         const std::filesystem::path& file);

}  // namespace postern::store
