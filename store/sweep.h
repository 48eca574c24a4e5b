// Rows that have expired leave a table without a job of its own for that: whoever writes looks
// through some of it, in turn.
#pragma once

#include "base/result.h"
#include "store/cursor.h"
#include "store/octets.h"
#include "store/txn.h"

#include <cstddef>
#include <vector>

namespace postern::store {

// From `from` on, `limit` rows at most, and where it stopped: the next begins there. `Row` is an
// array of octets, the key; is_over(value) gives a Result<bool>.
template <class Row, class IsOver>
Result<Row> sweep(Txn& txn, Table table, const Row& from, std::size_t limit, IsOver&& is_over) {
  std::vector<Row> expired;
  Row next{};
  {
    auto cursor = Cursor::open(txn, table);
    if (!cursor) return std::unexpected(cursor.error());
    auto more = cursor->at_or_after(from);
    for (std::size_t seen = 0; more && *more; more = cursor->next(), ++seen) {
      Row row{};
      OctetReader(cursor->key()).raw(row);
      if (seen == limit) {
        next = row;
        break;
      }
      auto over = is_over(cursor->value());
      if (!over) return std::unexpected(over.error());
      if (*over) expired.push_back(row);
    }
    if (!more) return std::unexpected(more.error());
  }
  for (const Row& row : expired) {
    if (auto done = txn.remove(table, row); !done) return std::unexpected(done.error());
  }
  return next;
}

}  // namespace postern::store
