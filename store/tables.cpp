#include "store/tables.h"

#include "store/link_keys.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace postern::store {
namespace {

constexpr std::string_view schema_name = "schema";
constexpr std::string_view canonical_name = "canonical";
constexpr std::string_view hash_key_name = "hash-key";
constexpr std::string_view numbering_name = "numbering";
constexpr std::string_view location_name = "location";

struct LaterTable {
  const char* name;
  std::optional<Table> Tables::* table;
};
constexpr std::array later_tables{
    LaterTable{"ledger", &Tables::ledger},
    LaterTable{"contexts", &Tables::contexts},
    LaterTable{"reports", &Tables::reports},
    LaterTable{"return-mail", &Tables::return_mail},
};

Error damaged(const Txn& txn, std::string_view name) {
  return txn.env().damaged(fmt::format("its {}", name));
}

Result<Octets> required(const Txn& txn, const Tables& tables, std::string_view name) {
  auto value = txn.get(tables.meta, octets_of(name));
  if (!value) return std::unexpected(value.error());
  if (!*value) return std::unexpected(damaged(txn, name));
  return **value;
}

Result<void> put_number(Txn& txn, const Tables& tables, std::string_view name,
                        std::uint32_t number) {
  OctetWriter out;
  out.u32(number);
  return txn.put(tables.meta, octets_of(name), out.octets());
}

Result<std::uint32_t> number(const Txn& txn, const Tables& tables, std::string_view name) {
  auto value = required(txn, tables, name);
  if (!value) return std::unexpected(value.error());
  OctetReader in(*value);
  const std::uint32_t found = in.u32();
  if (!in.finished()) return std::unexpected(damaged(txn, name));
  return found;
}

// Before the other tables are opened: a newer store may have others.
Result<void> check_versions(const Txn& txn, const Tables& tables) {
  const auto path = txn.env().directory().string();
  auto schema = number(txn, tables, schema_name);
  if (!schema) return std::unexpected(schema.error());
  if (*schema < oldest_schema || *schema > schema_version) {
    return fail(Errc::version,
                fmt::format("the store at {} has format {}, this program writes format {}: use the "
                            "program that wrote it, or a newer one",
                            path, *schema, schema_version));
  }
  auto canonical = number(txn, tables, canonical_name);
  if (!canonical) return std::unexpected(canonical.error());
  if (*canonical != policy::canonical_version) {
    return fail(Errc::version,
                fmt::format("the store at {} is keyed by version {} of the canonical address, this "
                            "program by version {}: use the program that wrote it, or a newer one",
                            path, *canonical, policy::canonical_version));
  }
  return {};
}

Result<void> create_meta(Txn& txn, const Tables& tables) {
  auto key = random_hash_key();
  if (!key) return std::unexpected(key.error());
  if (auto done = put_number(txn, tables, schema_name, schema_version); !done) return done;
  if (auto done = put_number(txn, tables, canonical_name, policy::canonical_version); !done)
    return done;
  if (auto done = txn.put(tables.meta, octets_of(hash_key_name), *key); !done) return done;
  return draw_origin(txn, tables, "");
}

}  // namespace

Result<Tables> open_tables(Txn& txn, bool create) {
  Tables tables{};
  auto root = txn.open_table(nullptr, TableKind::plain, false);
  if (!root) return std::unexpected(root.error());
  tables.root = *root;
  auto size = txn.size(tables.root);
  if (!size) return std::unexpected(size.error());
  const bool empty = size->entries == 0;
  if (empty && !create) return std::unexpected(no_store(txn.env().directory()));

  struct Definition {
    const char* name;
    TableKind kind;
    Table Tables::* table;
  };
  constexpr std::array definitions{
      Definition{"meta", TableKind::plain, &Tables::meta},
      Definition{"contacts", TableKind::by_hash, &Tables::contacts},
      Definition{"domains", TableKind::by_hash, &Tables::domains},
      Definition{"digests", TableKind::by_hash, &Tables::digests},
      Definition{"folded", TableKind::many_fixed, &Tables::folded},
      Definition{"events", TableKind::by_hash, &Tables::events},
      Definition{"by-contact", TableKind::many_fixed, &Tables::by_contact},
      Definition{"texts", TableKind::by_hash, &Tables::texts},
      Definition{"addresses", TableKind::by_hash, &Tables::addresses},
      Definition{"streams", TableKind::plain, &Tables::streams},
      Definition{"imports", TableKind::plain, &Tables::imports},
      Definition{"repeated", TableKind::plain, &Tables::repeated},
      Definition{"traffic", TableKind::plain, &Tables::traffic},
      Definition{"campaigns", TableKind::plain, &Tables::campaigns},
  };
  for (const auto& [name, kind, table] : definitions) {
    auto opened = txn.open_table(name, kind, empty);
    if (!opened) return std::unexpected(opened.error());
    tables.*table = *opened;
    if (table != &Tables::meta) continue;
    const auto stamped = empty ? create_meta(txn, tables) : check_versions(txn, tables);
    if (!stamped) return std::unexpected(stamped.error());
  }
  for (const auto& [name, table] : later_tables) {
    auto found = txn.find_table(name, TableKind::plain);
    if (!found) return std::unexpected(found.error());
    tables.*table = *found;
  }
  return tables;
}

Result<bool> is_complete(const Txn& txn, const Tables& tables) {
  auto keys = get_link_keys(txn, tables);
  if (!keys) return std::unexpected(keys.error());
  auto schema = number(txn, tables, schema_name);
  if (!schema) return std::unexpected(schema.error());
  const bool all_there = std::ranges::all_of(
      later_tables, [&](const LaterTable& later) { return (tables.*later.table).has_value(); });
  return all_there && !keys->empty() && *schema == schema_version;
}

Result<void> open_later_tables(Txn& txn, Tables& tables) {
  for (const auto& [name, table] : later_tables) {
    auto opened = txn.open_table(name, TableKind::plain, true);
    if (!opened) return std::unexpected(opened.error());
    tables.*table = *opened;
  }
  return {};
}

Result<void> complete(Txn& txn, Tables& tables, Time now) {
  auto done = open_later_tables(txn, tables);
  if (done) done = put_number(txn, tables, schema_name, schema_version);
  if (!done) return done;
  auto keys = get_link_keys(txn, tables);
  if (!keys) return std::unexpected(keys.error());
  return keys->empty() ? add_link_key(txn, tables, now) : Result<void>{};
}

Result<HashKey> hash_key(const Txn& txn, const Tables& tables) {
  auto value = required(txn, tables, hash_key_name);
  if (!value) return std::unexpected(value.error());
  HashKey key{};
  OctetReader in(*value);
  in.raw(key);
  if (!in.finished()) return std::unexpected(damaged(txn, hash_key_name));
  return key;
}

Result<Numbering> numbering(const Txn& txn, const Tables& tables) {
  auto value = required(txn, tables, numbering_name);
  if (!value) return std::unexpected(value.error());
  OctetReader in(*value);
  Numbering found;
  found.origin = in.u64();
  found.last = in.u64();
  if (!in.finished()) return std::unexpected(damaged(txn, numbering_name));
  return found;
}

Result<void> put_numbering(Txn& txn, const Tables& tables, const Numbering& numbering) {
  OctetWriter out;
  out.u64(numbering.origin);
  out.u64(numbering.last);
  return txn.put(tables.meta, octets_of(numbering_name), out.octets());
}

Result<std::string> location(const Txn& txn, const Tables& tables) {
  auto value = required(txn, tables, location_name);
  if (!value) return std::unexpected(value.error());
  return std::string(text_of(*value));
}

Result<void> draw_origin(Txn& txn, const Tables& tables, std::string_view location) {
  auto origin = random_origin();
  if (!origin) return std::unexpected(origin.error());
  if (auto done = put_numbering(txn, tables, {*origin, 0}); !done) return done;
  return txn.put(tables.meta, octets_of(location_name), octets_of(location));
}

}  // namespace postern::store
