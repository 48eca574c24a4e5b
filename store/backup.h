// A backup is a directory with a data.mdb: a compacted copy of the store at one moment, checked
// after it was written. A restored backup is a store with a new epoch (DESIGN.md 2): what the lost
// one recorded since is not known, and its numbers must not be given twice.
#pragma once

#include "base/result.h"
#include "store/env.h"
#include "store/salvage.h"
#include "store/store.h"

#include <cstdint>
#include <filesystem>
#include <functional>

namespace postern::store {

// While others read and write. Every page is checked first, and those of the copy afterwards. `to`
// is made (0700); one that is there must be an empty directory (Errc::exists). After an error
// nothing is left: full, damaged, io. Store::backup looks at the copy's tables too.
[[nodiscard]] Result<void> backup(const Env& env, const std::filesystem::path& to);

// A backup with a damaged page is refused, or what reads of it is taken (salvage.h).
enum class Damage : std::uint8_t { refused, salvaged };

// Makes a store at options.path of a backup, or of a data file by itself; options.mode has no
// meaning here. Errc::exists where one is there already; not_found, damaged, version: of the
// backup. `replay` brings it up to what must not be lost (what was forgotten since) before anybody
// else can open it. Killed, it leaves no store; then it can be done again.
[[nodiscard]] Result<Salvaged> restore(const std::filesystem::path& backup, const Options& options,
                                       const std::function<Result<void>(Store&)>& replay = {},
                                       Damage damage = Damage::refused);

}  // namespace postern::store
