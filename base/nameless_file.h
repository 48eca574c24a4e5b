// A file that has no name, and is gone when its last descriptor is closed, however that comes.
#pragma once

#include <filesystem>
#include <string_view>

namespace postern {

// For reading and writing, of this user alone; -1 and errno where it cannot be made. `prefix` is
// what it is called for a moment on a file system that knows no files without a name (O_TMPFILE).
[[nodiscard]] int open_nameless_file(const std::filesystem::path& folder, std::string_view prefix);

}  // namespace postern
