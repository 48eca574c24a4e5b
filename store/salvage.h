// What still reads of a damaged data file, as a new one: every entry of its sound pages (pages.h),
// and contacts whose record was lost anew from their events.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <filesystem>

namespace postern::store {

struct Salvaged {
  std::uint64_t damaged_pages = 0;
  std::uint64_t entries = 0;   // that were read
  std::uint64_t contacts = 0;  // made anew from their events
};

// Makes the data file in `directory`, which has none. Errc::damaged where the table of the store's
// own keys is: then nothing of it can be found any more.
[[nodiscard]] Result<Salvaged> salvage(const std::filesystem::path& data_file,
                                       const std::filesystem::path& directory,
                                       std::uint64_t map_size);

}  // namespace postern::store
