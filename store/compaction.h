// Compaction: the store in a new file, without the pages that are free. It gives their space back,
// and with it the bytes of what was erased: a page that was freed keeps its own, and so does the
// unused part of a page (DESIGN.md, LMDB).
//
// Writers of every process wait while the copy is made; readers go on. Then the copy takes the
// place of the old file (swap.h). Nobody writes to it until the last reader of the old one is gone,
// at most `patience`: a change that is acknowledged binds every process from that moment, as
// always. It stays the same store: same origin, same numbers, and its new place is on record.
//
// Killed at any moment it leaves the old store or the new one, whole.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "store/location.h"
#include "store/tables.h"
#include "store/txn.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace postern::store {

struct Compaction {
  std::uint64_t before = 0;  // octets of the data file
  std::uint64_t after = 0;
  // Readers that still looked at the old file when `patience` was over: they may miss changes until
  // they open the store anew.
  int readers_left = 0;
};

struct CompactionOptions {
  std::chrono::milliseconds patience = DirectoryLock::longest;
  // For tests: called after each step, with its name.
  std::function<void(std::string_view step)> after_step = [](std::string_view) {};
};

// `env` must be opened anew afterwards (must_reopen). One writer of the process at a time, this
// one. Errors: full (nothing was changed), busy (compacted by another process, or somebody opens it
// and does not end), damaged (a page does not check: restore a backup).
[[nodiscard]] Result<Compaction> compact(const Env& env, const CompactionOptions& options = {});

// A note in the store that something was erased whose bytes are in the file still; a compaction
// clears it.
[[nodiscard]] Result<void> owe_compaction(Txn& txn, const Tables& tables, Time since);
[[nodiscard]] Result<std::optional<Time>> compaction_owed(const Txn& txn, const Tables& tables);

}  // namespace postern::store
