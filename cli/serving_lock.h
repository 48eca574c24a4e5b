// One gate serves from a store: a second one beside it would import the same exports again, and
// watch the same folders. Nobody but `serve` asks for this lock: the other verbs work beside it.
#pragma once

#include "base/result.h"

#include <filesystem>
#include <utility>

namespace postern::cli {

class ServingLock {
 public:
  explicit ServingLock(std::filesystem::path store) : store_(std::move(store)) {}
  ~ServingLock();
  ServingLock(const ServingLock&) = delete;
  ServingLock& operator=(const ServingLock&) = delete;

  // Makes the store's folder (0700) where it is missing, and a file in it that says who serves:
  // flock'd for as long as this lives, so that a gate that was killed leaves nothing behind.
  // Errc::busy where another process has it, which the text names with its pid; any other error
  // means that there is no telling.
  [[nodiscard]] Result<void> take();
  // Once a second: takes it anew where the folder is another one by now, which came with a restored
  // store. A gate that serves does not stop for that; it is an error in the log.
  void look();

 private:
  [[nodiscard]] std::filesystem::path file() const { return store_ / "serve.lock"; }
  [[nodiscard]] bool is_of_the_folder() const;
  std::filesystem::path store_;
  int descriptor_ = -1;
  bool told_ = false;
};

}  // namespace postern::cli
