// Where a store lies: the directory, the file system under it, who owns it, and what tells this
// copy from another.
#pragma once

#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace postern::store {

// LMDB's locks and its shared map do not work across machines: Errc::unsupported names the path and
// the kind.
[[nodiscard]] Result<void> refuse_network_file_system(const std::filesystem::path& directory);

// Makes the directory (0700) and those above it where they are missing.
[[nodiscard]] Result<void> make_directory(const std::filesystem::path& directory);

// A lock on the directory itself (flock), whose two files are a pair: whoever opens them shares it,
// whoever puts others in their place (swap.h) has it alone. Held for milliseconds only.
class DirectoryLock {
 public:
  enum class Kind : std::uint8_t { shared, alone };
  // Waits for at most `patience`, then Errc::busy. Where the directory is missing, may not be read,
  // or lies on a file system without such locks, nothing is held and that is no error: nobody can
  // put other files there, or opening them will say what is wrong.
  [[nodiscard]] static Result<DirectoryLock> take(const std::filesystem::path& directory, Kind kind,
                                                  std::chrono::milliseconds patience = longest);
  // Without waiting; false where somebody holds it, shared or alone.
  [[nodiscard]] static Result<bool> is_free(const std::filesystem::path& directory);
  DirectoryLock() = default;
  ~DirectoryLock() { release(); }
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&& other) noexcept;
  [[nodiscard]] bool held() const { return descriptor_ >= 0; }
  void release();

  static constexpr std::chrono::milliseconds longest{10'000};

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

// What the system says of a file, as an Error: "PATH: no such file or directory"; Errc::full where
// there is no room.
[[nodiscard]] Error file_error(const std::filesystem::path& file, int code);

// What was created, renamed or removed in there is on the disk when it returns.
[[nodiscard]] Result<void> sync_directory(const std::filesystem::path& directory);

// Files that root made belong to the directory's owner: the gate, which is not root, must be able
// to write them.
[[nodiscard]] Result<void> give_to_owner(const std::filesystem::path& directory);
[[nodiscard]] Result<void> give_to_owner(const std::filesystem::path& directory,
                                         std::span<const std::filesystem::path> files);

// Device, inode and machine: a copy, a clone or a restored store has another one, and needs an
// origin of its own.
[[nodiscard]] Result<std::string> location_of(const std::filesystem::path& data_file);

// "root", or the number where the system has no name for it.
[[nodiscard]] std::string owner_of(const std::filesystem::path& file);

[[nodiscard]] inline std::filesystem::path data_file(const std::filesystem::path& directory) {
  return directory / "data.mdb";
}
[[nodiscard]] inline std::filesystem::path lock_file(const std::filesystem::path& directory) {
  return directory / "lock.mdb";
}

}  // namespace postern::store
