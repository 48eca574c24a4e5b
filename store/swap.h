// Other files in the place of a store's own, under processes that have it open, at any moment of
// which the power may fail.
//
// data.mdb and lock.mdb are a pair: the numbers of transactions in the one are those of the other.
// New ones are made in DIR/incoming. Then, with the directory locked so that nobody opens
// anything:
//   1. the old data.mdb gets the mark "moved", in a transaction. This decides: writers of every
//      process that has it open find the mark and write no more; before it, nothing has happened;
//   2. incoming/data.mdb is renamed to data.mdb, incoming/lock.mdb to lock.mdb.
// Whoever opens the store first looks for DIR/incoming, which its maker holds a lock on. If its
// maker died: with a lock.mdb alone in it step 2 was begun, and is finished; with a data.mdb in it
// the mark tells whether to do step 2 or to remove the directory. So no order in which files are
// made or removed there may leave a lock.mdb alone before step 2.
#pragma once

#include "base/result.h"
#include "store/env.h"
#include "store/location.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>

namespace postern::store {

class Txn;

[[nodiscard]] inline std::filesystem::path workshop_of(const std::filesystem::path& directory) {
  return directory / "incoming";
}

// Shared, for opening what lies in there: while it is held the two files stay. First finishes or
// clears away what a dead process left; `replaced` is then the environment of the files that had to
// go. Errc::busy where that takes too long.
[[nodiscard]] Result<DirectoryLock> keep_in_place(const std::filesystem::path& directory,
                                                  std::unique_ptr<Env>& replaced);

// Until nobody reads the old files any more, so that nobody answers from them while a change to the
// new ones is acknowledged. How many are left when `patience` is over.
[[nodiscard]] Result<int> wait_for_readers(const Env& old, std::chrono::milliseconds patience);

// A mark that nobody stands behind, in a file that was copied from between steps 1 and 2. Of a
// store that is kept in place.
[[nodiscard]] Result<void> clear_old_mark(const Env& env);

[[nodiscard]] Result<bool> is_moved(Txn& txn);
[[nodiscard]] Result<void> mark_moved(Txn& txn, bool moved);

// DIR/incoming, made for new files: empty, of the directory's owner, locked. Removed with what is
// in it unless its files were put in place.
class Workshop {
 public:
  // For what is to come in the place of `old`, or of nothing. Errc::busy where another process has
  // one, or other files are in the place of the old ones already.
  [[nodiscard]] static Result<Workshop> make(const std::filesystem::path& directory,
                                             const Env* old);
  ~Workshop();
  Workshop(Workshop&& other) noexcept = default;
  Workshop& operator=(Workshop&&) = delete;

  [[nodiscard]] std::filesystem::path path() const { return workshop_of(directory_); }
  // Step 2; the directory is locked, and the mark is set. `between` is called after each rename.
  [[nodiscard]] Result<void> put_in_place(const std::function<void()>& between);

 private:
  Workshop(std::filesystem::path directory, DirectoryLock lock)
      : directory_(std::move(directory)), lock_(std::move(lock)) {}
  std::filesystem::path directory_;
  DirectoryLock lock_;
};

}  // namespace postern::store
