#include "store/rules.h"

#include "policy/address.h"
#include "store/cursor.h"

namespace postern::store {
namespace {

constexpr std::string_view rules_name = "providers";
constexpr std::string_view changes_name = "providers-changed";
constexpr std::uint8_t version = 1;
constexpr std::size_t least_width = 4 + 1;  // of a provider
constexpr std::size_t longest_domain = policy::max_domain;

// An import that was broken off may have left forms whose contacts were not written (spellings.h):
// by other rules they would lead to the wrong one.
Result<void> drop_forms_of_nobody(Txn& txn, const Tables& tables) {
  constexpr std::size_t most_at_once = 10'000;
  ContactKey from{};
  for (bool ended = false; !ended;) {
    std::vector<std::pair<ContactKey, ContactKey>> unowned;
    {
      auto cursor = Cursor::open(txn, tables.folded);
      if (!cursor) return std::unexpected(cursor.error());
      auto more = cursor->at_or_after(from);
      for (; more && *more && unowned.size() < most_at_once; more = cursor->next()) {
        ContactKey contact{};
        OctetReader form(cursor->key());
        OctetReader value(cursor->value());
        form.raw(from);
        value.raw(contact);
        if (!form.finished() || !value.finished()) {
          return std::unexpected(txn.env().damaged("a folded address"));
        }
        auto known = txn.get(tables.contacts, contact);
        if (!known) return std::unexpected(known.error());
        if (!*known) unowned.emplace_back(from, contact);
      }
      if (!more) return std::unexpected(more.error());
      ended = !*more;
    }
    for (const auto& [form, contact] : unowned) {
      if (auto gone = txn.remove(tables.folded, form, contact); !gone) return gone;
    }
  }
  return {};
}

}  // namespace

Rules Rules::of(const std::vector<ProviderConfig>& extra) {
  Rules rules;
  rules.providers_ = policy::builtin_providers();
  rules.builtin_ = rules.providers_.size();
  rules.providers_.insert(rules.providers_.end(), extra.begin(), extra.end());
  OctetWriter out;
  out.u8(version);
  out.u32(static_cast<std::uint32_t>(rules.builtin_));
  out.u32(static_cast<std::uint32_t>(rules.providers_.size()));
  for (const ProviderConfig& provider : rules.providers_) {
    out.u8(provider.ignore_dots ? 1 : 0);
    out.u32(static_cast<std::uint32_t>(provider.domains.size()));
    for (const std::string& domain : provider.domains) out.text(domain);
  }
  rules.encoded_ = text_of(out.octets());
  return rules;
}

Result<void> Rules::read(const Txn& txn, const Tables& tables) {
  auto value = txn.get(tables.meta, octets_of(rules_name));
  if (!value) return std::unexpected(value.error());
  const std::string_view found = *value ? text_of(**value) : std::string_view{};
  if (found == encoded_) return {};
  encoded_ = found;
  if (!decode()) {
    encoded_.clear();
    return std::unexpected(txn.env().damaged("its list of providers"));
  }
  return {};
}

bool Rules::decode() {
  providers_.clear();
  builtin_ = 0;
  if (encoded_.empty()) return true;
  OctetReader in(octets_of(encoded_));
  if (in.u8() != version) return false;
  builtin_ = in.u32();
  providers_.resize(in.count(least_width));
  for (ProviderConfig& provider : providers_) {
    provider.ignore_dots = in.u8() != 0;
    provider.domains.resize(in.count(4));
    for (std::string& domain : provider.domains) domain = in.text(longest_domain);
  }
  return in.finished() && builtin_ <= providers_.size();
}

std::vector<ProviderConfig> Rules::extra() const {
  return {providers_.begin() + static_cast<std::ptrdiff_t>(builtin_), providers_.end()};
}

Result<void> Rules::rekey(Txn& txn, const Tables& tables, const KeyHasher& hasher) const {
  Rules before;
  if (auto read = before.read(txn, tables); !read) return read;
  if (auto dropped = drop_forms_of_nobody(txn, tables); !dropped) return dropped;
  auto cursor = Cursor::open(txn, tables.addresses);
  if (!cursor) return std::unexpected(cursor.error());
  auto more = cursor->first();
  for (; more && *more; more = cursor->next()) {
    const policy::CanonicalAddress address{std::string(text_of(cursor->value()))};
    ContactKey key{};
    OctetReader name(cursor->key());
    name.raw(key);
    if (!name.finished()) return std::unexpected(txn.env().damaged("the key of an address"));
    if (const std::string old = policy::folded(address, before.providers_); !old.empty()) {
      if (auto gone = txn.remove(tables.folded, hasher(old), key); !gone) return gone;
    }
    if (auto added = add_folded(txn, tables, hasher, providers_, address, key); !added)
      return added;
  }
  if (!more) return std::unexpected(more.error());
  auto changes = rule_changes(txn, tables);
  if (!changes) return std::unexpected(changes.error());
  OctetWriter out;
  out.u64(*changes + 1);
  if (auto counted = txn.put(tables.meta, octets_of(changes_name), out.octets()); !counted) {
    return counted;
  }
  return txn.put(tables.meta, octets_of(rules_name), octets_of(encoded_));
}

Result<std::uint64_t> rule_changes(const Txn& txn, const Tables& tables) {
  auto value = txn.get(tables.meta, octets_of(changes_name));
  if (!value) return std::unexpected(value.error());
  if (!*value) return 0;
  OctetReader in(**value);
  const std::uint64_t changes = in.u64();
  if (!in.finished()) return std::unexpected(txn.env().damaged("its count of rules"));
  return changes;
}

Result<void> add_folded(Txn& txn, const Tables& tables, const KeyHasher& hasher,
                        const std::vector<ProviderConfig>& providers,
                        const policy::CanonicalAddress& address, const ContactKey& key) {
  const std::string folded = policy::folded(address, providers);
  if (folded.empty()) return {};
  auto added = txn.add(tables.folded, hasher(folded), key);
  if (!added) return std::unexpected(added.error());
  return {};
}

}  // namespace postern::store
