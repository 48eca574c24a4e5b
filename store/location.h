// Where a store lies: the directory, the file system under it, who owns it, and what tells this
// copy from another.
#pragma once

#include "base/result.h"

#include <filesystem>
#include <string>

namespace postern::store {

// LMDB's locks and its shared map do not work across machines: Errc::unsupported names the path and
// the kind.
[[nodiscard]] Result<void> refuse_network_file_system(const std::filesystem::path& directory);

// Makes the directory (0700) and those above it where they are missing.
[[nodiscard]] Result<void> make_directory(const std::filesystem::path& directory);

// Files that root made belong to the directory's owner: the gate, which is not root, must be able
// to write them.
[[nodiscard]] Result<void> give_to_owner(const std::filesystem::path& directory);

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
