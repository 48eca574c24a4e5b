// Room on the disk, asked for before LMDB finds out: it writes through maps, where a lack of room
// is a SIGBUS, and calls a short write an input/output error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace postern::store {

// Gives lock.mdb all its blocks, for as many readers: LMDB makes it of holes and writes to it
// through a map. 0, or the system's code; a file system that cannot do that, or may not be written
// to, is no error here. Of a process's own lock on the file nothing may be held: it would be lost.
[[nodiscard]] int reserve_lock_file(const std::filesystem::path& directory, unsigned max_readers);

// Why a file in there cannot grow, and what to do; nothing where it can, or where it cannot be
// told.
[[nodiscard]] std::optional<std::string_view> no_space(const std::filesystem::path& directory);

// Gives a new file its blocks before it is written, so that a lack of room shows before the work
// and not in the middle of it. As above: 0, or the system's code.
[[nodiscard]] int reserve(int descriptor, std::uint64_t octets);

inline constexpr std::string_view disk_is_full = "the disk is full: free some space";
inline constexpr std::string_view file_limit =
    "the process may not write larger files: raise its limit (ulimit -f)";

}  // namespace postern::store
