// The gate's hold on its store: opened when it can be, let go of when it was replaced or removed,
// opened again when the cause is gone. Meanwhile every lookup is an error, which the gate answers
// with 451 (DESIGN.md 9).
#pragma once

#include "policy/contacts.h"
#include "store/store.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>

namespace postern::cli {

class StoreKeeper {
 public:
  // Tries to open it at once. Each change between "open" and "cannot be opened" is logged once.
  explicit StoreKeeper(store::Options options);

  // Once a second, from one thread: opens it anew, notices that it was replaced, clears dead
  // readers' slots.
  void look();

  // For one thread; must not outlive the keeper.
  [[nodiscard]] std::unique_ptr<policy::ContactReader> reader();

 private:
  class Reader;
  struct File {
    dev_t device;
    ino_t inode;
    friend bool operator==(const File&, const File&) = default;
  };
  [[nodiscard]] std::optional<File> data_file() const;
  void open();
  void set(std::shared_ptr<store::Store> store, std::string problem);

  store::Options options_;
  std::mutex mutex_;  // guards store_ and problem_; readers take it only when generation_ moved
  std::shared_ptr<store::Store> store_;
  std::string problem_;
  std::atomic<std::uint64_t> generation_ = 0;
  std::optional<File> opened_;
  std::uint32_t looks_ = 0;
};

}  // namespace postern::cli
