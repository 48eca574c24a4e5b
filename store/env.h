// An LMDB environment, opened durably: every commit is on disk when it returns. With txn and cursor
// the only files that include lmdb.h; above them nobody sees a return code.
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
  };
  // LMDB's locks belong to the process: a second environment of the same directory would drop those
  // of the first. A second open in this process is therefore Errc::busy.
  [[nodiscard]] static Result<std::unique_ptr<Env>> open(const Settings& settings);
  ~Env();
  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] MDB_env* handle() const { return handle_; }
  // The slots of readers that died without giving them back. Returns how many.
  [[nodiscard]] Result<int> clear_stale_readers() const;
  // Only a new environment helps. Known once error() was asked about it.
  [[nodiscard]] bool must_reopen() const { return must_reopen_; }
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
