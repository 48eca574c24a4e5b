// An LMDB environment, opened durably: every commit is on disk when it returns. With txn, cursor
// and copy the only files that include lmdb.h; above them nobody sees a return code.
#pragma once

#include "base/result.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

struct MDB_env;

namespace postern::store {

// Errc::not_found, and which verbs create one.
[[nodiscard]] Error no_store(const std::filesystem::path& directory);

class Env {
 public:
  struct Settings {
    std::filesystem::path directory;
    bool read_only = false;
    bool create = false;
    std::uint64_t map_size = 0;
    bool read_ahead = false;  // most of it will be read, in its order
  };
  // LMDB's locks belong to the process and to the inode of lock.mdb: a second environment of the
  // same lock file would drop those of the first. A second open in this process is therefore
  // Errc::busy. Where data.mdb and lock.mdb were replaced by others (swap.h) the new ones can be
  // opened while the old ones are still in use. What an earlier replacement left undone is finished
  // or cleared away.
  [[nodiscard]] static Result<std::unique_ptr<Env>> open(const Settings& settings);
  // The same for whoever keeps replacements away already.
  [[nodiscard]] static Result<std::unique_ptr<Env>> open_guarded(const Settings& settings);
  // One data file by itself, that nobody writes to: for reading, as a rule most of it, and without
  // a lock file.
  [[nodiscard]] static Result<std::unique_ptr<Env>> open_copy(const std::filesystem::path& file);
  ~Env();
  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] MDB_env* handle() const { return handle_; }
  // The slots of readers that died without giving them back. Returns how many.
  [[nodiscard]] Result<int> clear_stale_readers() const;
  // How many slots of readers are taken, of every process: those that rest too.
  [[nodiscard]] int readers() const;
  // The address space that is reserved for it, in octets.
  [[nodiscard]] std::uint64_t map_size() const;
  // The number of the last one that was committed, by whatever process; 0: it cannot be told. No
  // system call.
  [[nodiscard]] std::uint64_t last_transaction() const;
  // Of the data file; it stays the environment's.
  [[nodiscard]] int descriptor() const;
  // Whether the data file at its path is the one that is open here.
  [[nodiscard]] bool in_place() const;
  // Only a new environment helps. Known once error() or moved() was asked about it.
  [[nodiscard]] bool must_reopen() const { return must_reopen_; }
  // Other files are in the place of these, or about to be: Errc::busy, and must_reopen().
  [[nodiscard]] Error moved() const;
  void set_moved() const { must_reopen_ = true; }
  // Errc::damaged: `what` "does not read".
  [[nodiscard]] Error damaged(std::string_view what) const;
  // What an LMDB or system code means for a person; `doing` completes "cannot ... the store at
  // PATH".
  [[nodiscard]] Error error(int code, std::string_view doing) const;

 private:
  class Claim;
  Env(std::filesystem::path directory, std::unique_ptr<Claim> claim, MDB_env* handle);

  std::filesystem::path directory_;
  std::unique_ptr<Claim> claim_;
  MDB_env* handle_;
  mutable std::atomic<bool> must_reopen_ = false;
};

}  // namespace postern::store
