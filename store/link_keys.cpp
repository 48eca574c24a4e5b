#include "store/link_keys.h"

#include "store/impl.h"
#include "store/traffic_row.h"

#include <mutex>
#include <utility>

#include <fmt/format.h>

namespace postern::store {
namespace {

constexpr std::string_view link_keys_name = "link-keys";
constexpr std::uint8_t version = 1;
constexpr std::size_t row_size = 4 + 4 + sizeof(policy::LinkKey::secret);

Result<void> put(Txn& txn, const Tables& tables, const std::vector<StoredLinkKey>& keys) {
  OctetWriter out;
  out.u8(version);
  out.u32(static_cast<std::uint32_t>(keys.size()));
  for (const auto& [key, day] : keys) {
    out.u32(key.id);
    out.u32(day);
    out.raw(key.secret);
  }
  return txn.put(tables.meta, octets_of(link_keys_name), out.octets());
}

}  // namespace

Result<std::vector<StoredLinkKey>> get_link_keys(const Txn& txn, const Tables& tables) {
  auto value = txn.get(tables.meta, octets_of(link_keys_name));
  if (!value) return std::unexpected(value.error());
  std::vector<StoredLinkKey> keys;
  if (!*value) return keys;
  OctetReader in(**value);
  if (in.u8() != version) in.fail();
  keys.resize(in.count(row_size));
  for (auto& [key, day] : keys) {
    key.id = in.u32();
    day = in.u32();
    in.raw(key.secret);
  }
  if (!in.finished()) return std::unexpected(txn.env().damaged("its link-keys"));
  return keys;
}

Result<void> add_link_key(Txn& txn, const Tables& tables, Time now) {
  auto keys = get_link_keys(txn, tables);
  if (!keys) return std::unexpected(keys.error());
  if (keys->size() >= max_link_keys) {
    return fail(Errc::full,
                fmt::format("the store has {} keys for links: no more are kept, because "
                            "none may go",
                            max_link_keys));
  }
  auto key = policy::random_link_key(keys->empty() ? 1 : keys->back().key.id + 1);
  if (!key) return std::unexpected(key.error());
  keys->push_back({.key = *key, .day = day_of(now)});
  return put(txn, tables, *keys);
}

Result<policy::LinkKeys> Store::link_keys() const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  auto stored = get_link_keys(*txn, impl_->tables);
  if (!stored) return std::unexpected(stored.error());
  if (stored->empty()) {
    return fail(
        Errc::not_found,
        fmt::format("the store at {} has no keys for links yet: an earlier program made it; "
                    "serving from it, or postern keys --rotate, makes one",
                    impl_->env->directory().string()));
  }
  std::vector<policy::LinkKey> keys;
  keys.reserve(stored->size());
  for (const auto& one : *stored) keys.push_back(one.key);
  auto made = policy::LinkKeys::create(std::move(keys));
  if (!made && made.error().code == Errc::invalid) {
    return std::unexpected(impl_->env->damaged("its link-keys"));
  }
  return made;
}

Result<std::vector<Store::LinkKeyNote>> Store::list_link_keys() const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  auto stored = get_link_keys(*txn, impl_->tables);
  if (!stored) return std::unexpected(stored.error());
  std::vector<LinkKeyNote> notes;
  for (const auto& [key, day] : *stored) notes.push_back({key.id, Time{std::chrono::days{day}}});
  return notes;
}

Result<void> Store::rotate_link_key(Time now) {
  if (impl_->read_only) return std::unexpected(impl_->opened_for_reading());
  const std::lock_guard lock(impl_->write_mutex);
  auto txn = Txn::write(*impl_->env);
  if (!txn) return std::unexpected(txn.error());
  if (auto added = add_link_key(*txn, impl_->tables, now); !added) return added;
  return txn->commit();
}

}  // namespace postern::store
