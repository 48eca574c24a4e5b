// The ledger of copies (policy/ledger.h). A row: the copy's key, hashed with the store's own key;
// version and `until`. Rows that have expired are as good as gone; each commit looks through some
// of the table, in turn, and removes those that it meets.
#include "policy/ledger.h"

#include "store/impl.h"
#include "store/sweep.h"
#include "store/walk.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace postern::store {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t least_swept = 100;  // rows that a commit looks at

using Row = std::array<std::uint8_t, 16>;

// Apart from the keys of contacts.
Row row_of(const KeyHasher& hasher, const policy::CopyKey& copy) {
  return hasher({"copy ", text_of(copy.octets)});
}

Result<Time> until_of(const Txn& txn, Octets value) {
  OctetReader in(value);
  if (in.u8() != version) in.fail();
  const Time until{std::chrono::seconds{in.i64()}};
  if (!in.finished()) return std::unexpected(txn.env().damaged("a row of the ledger"));
  return until;
}

Result<bool> is_taken(const Txn& txn, Table ledger, const Row& row, Time now) {
  auto value = txn.get(ledger, row);
  if (!value) return std::unexpected(value.error());
  if (!*value) return false;
  auto until = until_of(txn, **value);
  if (!until) return std::unexpected(until.error());
  return *until > now;
}

Result<void> apply(Txn& txn, Table ledger, const Row& row, const Store::CopyChange& change,
                   Time now) {
  if (change.until <= now) return txn.remove(ledger, row);
  Time until = change.until;
  if (!change.taken) {
    auto there = txn.get(ledger, row);
    if (!there) return std::unexpected(there.error());
    if (!*there) return {};
    auto before = until_of(txn, **there);
    if (!before) return std::unexpected(before.error());
    until = std::min(until, *before);
  }
  OctetWriter out;
  out.u8(version);
  out.i64(until.time_since_epoch().count());
  return txn.put(ledger, row, out.octets());
}

}  // namespace

Result<std::vector<bool>> Store::taken(std::span<const policy::CopyKey> copies, Time now) const {
  std::vector<bool> taken(copies.size());
  if (!impl_->tables.ledger) return taken;
  const KeyHasher hasher(impl_->hash_key);
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  for (std::size_t i = 0; i < copies.size(); ++i) {
    auto one = is_taken(*txn, *impl_->tables.ledger, row_of(hasher, copies[i]), now);
    if (!one) return std::unexpected(one.error());
    taken[i] = *one;
  }
  return taken;
}

Result<Time> Store::last_copy_until() const {
  Time last{};
  if (!impl_->tables.ledger) return last;
  auto walked = walk(*impl_->env, *impl_->tables.ledger,
                     [&](const Txn& txn, Octets /*key*/, Octets value) -> Result<void> {
                       auto until = until_of(txn, value);
                       if (!until) return std::unexpected(until.error());
                       last = std::max(last, *until);
                       return {};
                     });
  if (!walked) return std::unexpected(walked.error());
  return last;
}

Result<void> Store::keep_copies(std::span<const CopyChange> changes, Time now) {
  if (impl_->read_only) return std::unexpected(impl_->opened_for_reading());
  const std::lock_guard lock(impl_->write_mutex);
  auto txn = Txn::write(*impl_->env);
  if (!txn) return std::unexpected(txn.error());
  const Table ledger = impl_->tables.ledger.value();
  for (const CopyChange& change : changes) {
    auto done = apply(*txn, ledger, row_of(impl_->hasher, change.copy), change, now);
    if (!done) return done;
  }
  // Twice as many as may have come: the table cannot outgrow the sweep.
  auto swept = sweep(*txn, ledger, impl_->swept_to.octets, least_swept + 2 * changes.size(),
                     [&](Octets value) -> Result<bool> {
                       auto until = until_of(*txn, value);
                       if (!until) return std::unexpected(until.error());
                       return *until <= now;
                     });
  if (!swept) return std::unexpected(swept.error());
  if (auto done = txn->commit(); !done) return done;
  impl_->swept_to.octets = *swept;
  return {};
}

}  // namespace postern::store
