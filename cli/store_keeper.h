// The gate's hold on its store: opened when it can be, let go of when it was removed, opened again
// when the cause is gone. Meanwhile every lookup is an error, which the gate answers with 451
// (DESIGN.md 9). Where other files come in its place (a compaction, a store that was put there) it
// goes over to them without such a gap. At night it has the store compacted where that is owed.
#pragma once

#include "base/time.h"
#include "cli/nightly_compaction.h"
#include "policy/contacts.h"
#include "store/store.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>

namespace postern::cli {

class StoreKeeper {
 public:
  // Opens nothing before the first look().
  explicit StoreKeeper(store::Options options);

  // One that it started; it can be killed at any time.
  void end_compaction() { nightly_.end(); }
  // At first, then once a second, from one thread: opens it, and anew, notices that it was
  // replaced, clears dead readers' slots. Each change between "open" and "cannot be opened" is
  // logged once.
  void look(Time now = current_time());

  // For one thread; must not outlive the keeper.
  [[nodiscard]] std::unique_ptr<policy::ContactReader> reader();

  // From any thread: null while it cannot be opened. Not to be kept: look() lets go of it.
  [[nodiscard]] std::shared_ptr<store::Store> store();

 private:
  class Reader;
  struct File {
    dev_t device;
    ino_t inode;
    friend bool operator==(const File&, const File&) = default;
  };
  [[nodiscard]] std::optional<File> data_file() const;
  void open();
  [[nodiscard]] bool go_over();
  // The store, and the file that it was opened from.
  [[nodiscard]] Result<std::pair<std::shared_ptr<store::Store>, File>> open_file() const;
  void set(std::shared_ptr<store::Store> store, std::optional<File> file, std::string problem);

  store::Options options_;
  std::mutex mutex_;  // guards what follows; readers take it only when generation_ moved
  std::shared_ptr<store::Store> store_;
  std::optional<File> opened_;
  std::string problem_;
  std::atomic<std::uint64_t> generation_ = 0;
  std::uint32_t looks_ = 0;
  NightlyCompaction nightly_;
};

}  // namespace postern::cli
