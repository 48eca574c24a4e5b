// A copy of a store's data file, of one moment, while others read and write. Only pages in use are
// copied, and of them only what is used, so that nothing that was erased before is in it.
#pragma once

#include "base/result.h"
#include "store/env.h"

#include <filesystem>

namespace postern::store {

// To a new file (0600), on the disk when it returns. Errc::exists; Errc::full before much of it was
// written, where the file system can tell. After an error no file is left. Its numbers of
// transactions start anew: it must never be used with the lock file of the original.
//
// The copy is a reader: a large one keeps the pages of the changes meanwhile from being used again.
[[nodiscard]] Result<void> write_copy(const Env& env, const std::filesystem::path& file);

}  // namespace postern::store
