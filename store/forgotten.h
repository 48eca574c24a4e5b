// The file of forgotten hashes, beside the store and never in it: whoever restores an older backup
// replays it, so that the forgotten stay forgotten. A line for each: when, and the contact's keyed
// hash, which says nothing without the store's key. Only ever appended to.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "store/keys.h"

#include <filesystem>
#include <span>
#include <vector>

namespace postern::store {

struct Forgotten {
  Time time{};
  ContactKey contact{};
  friend bool operator==(const Forgotten&, const Forgotten&) = default;
};

// Where it is unless the configuration says otherwise: "DIR.forgotten".
[[nodiscard]] std::filesystem::path default_ledger(const std::filesystem::path& store);

// On the disk when it returns; mode 0600, of the owner of `store`. Errc::io, Errc::full.
[[nodiscard]] Result<void> append_forgotten(const std::filesystem::path& ledger,
                                            const std::filesystem::path& store,
                                            std::span<const Forgotten> entries);
// None where there is no such file. A last line that was cut off by a crash is left out; any other
// that does not read is Errc::damaged with its number.
[[nodiscard]] Result<std::vector<Forgotten>> read_forgotten(const std::filesystem::path& ledger);

}  // namespace postern::store
