// Every entry of a table, however many, in short read transactions: whoever walks for a while must
// not keep the pages of every later change from being used again.
#pragma once

#include "base/result.h"
#include "store/cursor.h"
#include "store/txn.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace postern::store {

inline constexpr std::size_t walk_page = 2000;  // entries of one snapshot

// `visit(txn, key, value)` answers Result<void>; an error ends the walk. Entries that come behind
// the walk's place meanwhile are visited, those before it are not.
template <class Visit>
[[nodiscard]] Result<void> walk(const Env& env, Table table, Visit visit) {
  std::vector<std::uint8_t> last_key;
  std::vector<std::uint8_t> last_value;
  for (bool first = true, ended = false; !ended; first = false) {
    auto txn = Txn::read(env);
    if (!txn) return std::unexpected(txn.error());
    auto cursor = Cursor::open(*txn, table);
    if (!cursor) return std::unexpected(cursor.error());
    auto more = first ? cursor->first() : cursor->at_or_after(last_key);
    const auto seen = [&] {
      return !first && std::ranges::equal(cursor->key(), last_key) &&
             !std::ranges::lexicographical_compare(last_value, cursor->value());
    };
    while (more && *more && seen()) more = cursor->next();
    for (std::size_t visited = 1; more && *more; ++visited) {
      if (visited == walk_page) {
        last_key.assign(cursor->key().begin(), cursor->key().end());
        last_value.assign(cursor->value().begin(), cursor->value().end());
      }
      if (auto done = visit(*txn, cursor->key(), cursor->value()); !done) return done;
      more = cursor->next();
      if (visited == walk_page) break;
    }
    if (!more) return std::unexpected(more.error());
    ended = !*more;
  }
  return {};
}

}  // namespace postern::store
