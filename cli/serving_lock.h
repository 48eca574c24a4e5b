// One gate serves from a store: a second one beside it would import the same exports again, and
// watch the same folders. Nobody but `serve` asks for this lock: the other verbs work beside it.
#pragma once

#include "base/result.h"

#include <filesystem>

namespace postern::cli {

class ServingLock {
 public:
  // Makes the store's folder (0700) where it is missing, and a file in it that says who serves:
  // flock'd for as long as this lives, so that a gate that was killed leaves nothing behind.
  // Errc::busy where another process has it, which the text names with its pid; any other error
  // means that there is no telling.
  [[nodiscard]] static Result<ServingLock> take(const std::filesystem::path& store);
  ~ServingLock();
  ServingLock(ServingLock&& other) noexcept;
  ServingLock& operator=(ServingLock&&) = delete;

 private:
  explicit ServingLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace postern::cli
