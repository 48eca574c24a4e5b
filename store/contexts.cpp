// The contexts of return addresses (policy/return_contexts.h). A row: the hash, big-endian;
// version, the last day on which it is wanted, stream and sender. Rows beyond their day go, some
// with each commit.
#include "policy/return_contexts.h"
#include "store/impl.h"
#include "store/sweep.h"
#include "store/traffic_row.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace postern::store {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t least_swept = 100;  // rows that a commit looks at
constexpr std::size_t max_sender = 2'048;

using Entry = policy::ReturnContexts::Entry;
using Row = std::array<std::uint8_t, 8>;

Row row_of(std::uint64_t hash) {
  OctetWriter out;
  out.u64(hash);
  Row row{};
  std::ranges::copy(out.octets(), row.begin());
  return row;
}

struct Kept {
  std::uint32_t until = 0;
  policy::ReturnContext context;
};

Result<Kept> kept_of(const Txn& txn, Octets value) {
  OctetReader in(value);
  if (in.u8() != version) in.fail();
  Kept kept;
  kept.until = in.u32();
  kept.context.stream = in.text(policy::max_stream_name);
  kept.context.sender = in.text(max_sender);
  if (!in.finished()) return std::unexpected(txn.env().damaged("the context of return addresses"));
  return kept;
}

Result<std::optional<Kept>> find(const Txn& txn, Table table, const Row& row) {
  auto value = txn.get(table, row);
  if (!value) return std::unexpected(value.error());
  if (!*value) return std::nullopt;
  auto kept = kept_of(txn, **value);
  if (!kept) return std::unexpected(kept.error());
  return *std::move(kept);
}

// True where something changed.
Result<bool> put(Txn& txn, Table table, const Entry& entry) {
  const auto& [stream, sender] = entry.context;
  if (stream.size() > policy::max_stream_name || sender.size() > max_sender) {
    return fail(Errc::invalid, "a stream's name or a sender is too long for a return address");
  }
  const Row row = row_of(entry.hash);
  auto there = find(txn, table, row);
  if (!there) return std::unexpected(there.error());
  if (*there && (*there)->context != entry.context) {
    return fail(Errc::conflict, "two contexts of return addresses have the same hash");
  }
  if (*there && (*there)->until >= entry.until) return false;
  OctetWriter out;
  out.u8(version);
  out.u32(entry.until);
  out.text(stream);
  out.text(sender);
  auto done = txn.put(table, row, out.octets());
  if (!done) return std::unexpected(done.error());
  return true;
}

}  // namespace

Result<void> Store::keep_contexts(std::span<const Entry> entries, Time now) {
  if (impl_->read_only) return std::unexpected(impl_->opened_for_reading());
  const std::lock_guard lock(impl_->write_mutex);
  auto txn = Txn::write(*impl_->env);
  if (!txn) return std::unexpected(txn.error());
  const Table table = impl_->tables.contexts.value();
  bool changed = false;
  for (const Entry& entry : entries) {
    auto put_one = put(*txn, table, entry);
    if (!put_one) return std::unexpected(put_one.error());
    changed |= *put_one;
  }
  if (!changed) return {};
  const std::uint32_t today = day_of(now);
  // Twice as many as may have come: the table cannot outgrow the sweep.
  auto swept = sweep(*txn, table, impl_->contexts_swept_to, least_swept + 2 * entries.size(),
                     [&](Octets value) -> Result<bool> {
                       auto kept = kept_of(*txn, value);
                       if (!kept) return std::unexpected(kept.error());
                       return kept->until < today;
                     });
  if (!swept) return std::unexpected(swept.error());
  if (auto done = txn->commit(); !done) return done;
  impl_->contexts_swept_to = *swept;
  return {};
}

Result<std::optional<policy::ReturnContext>> Store::context(std::uint64_t hash) const {
  if (!impl_->tables.contexts) return std::nullopt;
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  auto kept = find(*txn, *impl_->tables.contexts, row_of(hash));
  if (!kept) return std::unexpected(kept.error());
  if (!*kept) return std::nullopt;
  return std::move((*kept)->context);
}

}  // namespace postern::store
