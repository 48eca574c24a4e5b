// The keys of links (policy/link.h), in the meta table: part of the store and of every backup, so
// that a link works for as long as anybody keeps the mail that it came in.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "policy/link.h"
#include "store/tables.h"
#include "store/txn.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace postern::store {

inline constexpr std::size_t max_link_keys = 1000;

struct StoredLinkKey {
  policy::LinkKey key;
  std::uint32_t day = 0;  // when it was made: since 1970, UTC
};
// Oldest first; none in a store of an earlier program.
[[nodiscard]] Result<std::vector<StoredLinkKey>> get_link_keys(const Txn& txn,
                                                               const Tables& tables);
// A random one behind the others. Errc::full where there are max_link_keys.
[[nodiscard]] Result<void> add_link_key(Txn& txn, const Tables& tables, Time now);

}  // namespace postern::store
