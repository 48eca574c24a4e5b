#include "store/txn.h"

#include "store/swap.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include <lmdb.h>

namespace postern::store {
namespace {

struct Words {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

// The first octet counts most, as in memcmp().
Words words_at(const void* octets) {
  static_assert(std::endian::native == std::endian::little);
  Words words;
  std::memcpy(&words, octets, sizeof words);
  return {__builtin_bswap64(words.first), __builtin_bswap64(words.second)};
}

// What LMDB would do: a key that begins the other comes first.
int compare_octets(const MDB_val* a, const MDB_val* b) {
  const int differ = std::memcmp(a->mv_data, b->mv_data, std::min(a->mv_size, b->mv_size));
  if (differ != 0 || a->mv_size == b->mv_size) return differ;
  return a->mv_size < b->mv_size ? -1 : 1;
}

MDB_val value_of(Octets octets) {
  return {octets.size(), const_cast<std::uint8_t*>(octets.data())};  // LMDB only reads it
}

unsigned flags_of(TableKind kind) {
  return kind == TableKind::many_fixed ? MDB_DUPSORT | MDB_DUPFIXED : 0U;
}

// LMDB's own goes through memcmp() with sizes; in a large table a lookup makes thirty of these.
int compare(const MDB_val* a, const MDB_val* b) {
  if (a->mv_size != sizeof(Words) || b->mv_size != sizeof(Words)) return compare_octets(a, b);
  const Words left = words_at(a->mv_data);
  const Words right = words_at(b->mv_data);
  if (left.first != right.first) return left.first < right.first ? -1 : 1;
  if (left.second != right.second) return left.second < right.second ? -1 : 1;
  return 0;
}

int order_by_words(MDB_txn* txn, MDB_dbi table, TableKind kind) {
  if (kind == TableKind::plain) return MDB_SUCCESS;
  const int code = ::mdb_set_compare(txn, table, compare);
  if (code != MDB_SUCCESS || kind == TableKind::by_hash) return code;
  return ::mdb_set_dupsort(txn, table, compare);
}

Txn::Size size_of(const MDB_stat& stat) {
  return {stat.ms_entries,
          stat.ms_psize * (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages)};
}

}  // namespace

void Txn::Abort::operator()(MDB_txn* txn) const { ::mdb_txn_abort(txn); }

Result<Txn> Txn::begin(const Env& env, unsigned flags) {
  MDB_txn* handle = nullptr;
  if (const int code = ::mdb_txn_begin(env.handle(), nullptr, flags, &handle);
      code != MDB_SUCCESS) {
    return std::unexpected(env.error(code, flags == MDB_RDONLY ? "read" : "write to"));
  }
  return Txn(env, handle);
}

Result<Txn> Txn::read(const Env& env) { return begin(env, MDB_RDONLY); }
Result<Txn> Txn::write_anyway(const Env& env) { return begin(env, 0); }

Result<Txn> Txn::write(const Env& env) {
  auto txn = begin(env, 0);
  if (!txn) return txn;
  auto moved = is_moved(*txn);
  if (!moved) return std::unexpected(moved.error());
  if (*moved) return std::unexpected(env.moved());
  return txn;
}

Result<Table> Txn::open_table(const char* name, TableKind kind, bool create) {
  const unsigned flags = (create ? MDB_CREATE : 0U) | flags_of(kind);
  MDB_dbi table = 0;
  int code = ::mdb_dbi_open(handle(), name, flags, &table);
  if (code == MDB_SUCCESS) code = order_by_words(handle(), table, kind);
  if (code != MDB_SUCCESS) {
    return std::unexpected(env_->error(code, "open a table of"));
  }
  return table;
}

Result<std::optional<Table>> Txn::find_table(const char* name, TableKind kind) {
  MDB_dbi table = 0;
  int code = ::mdb_dbi_open(handle(), name, flags_of(kind), &table);
  if (code == MDB_NOTFOUND) return std::nullopt;
  if (code == MDB_SUCCESS) code = order_by_words(handle(), table, kind);
  if (code != MDB_SUCCESS) return std::unexpected(env_->error(code, "open a table of"));
  return table;
}

Result<std::optional<Octets>> Txn::get(Table table, Octets key) const {
  MDB_val wanted = value_of(key);
  MDB_val found{};
  const int code = ::mdb_get(handle(), table, &wanted, &found);
  if (code == MDB_NOTFOUND) return std::nullopt;
  if (code != MDB_SUCCESS) return std::unexpected(env_->error(code, "read"));
  return Octets{static_cast<const std::uint8_t*>(found.mv_data), found.mv_size};
}

Result<void> Txn::put(Table table, Octets key, Octets value) {
  MDB_val at = value_of(key);
  MDB_val what = value_of(value);
  if (const int code = ::mdb_put(handle(), table, &at, &what, 0); code != MDB_SUCCESS) {
    return std::unexpected(env_->error(code, "write to"));
  }
  return {};
}

Result<bool> Txn::add(Table table, Octets key, Octets value) {
  unsigned table_flags = 0;
  int code = ::mdb_dbi_flags(handle(), table, &table_flags);
  const unsigned flags = (table_flags & MDB_DUPSORT) != 0 ? MDB_NODUPDATA : MDB_NOOVERWRITE;
  MDB_val at = value_of(key);
  MDB_val what = value_of(value);
  if (code == MDB_SUCCESS) code = ::mdb_put(handle(), table, &at, &what, flags);
  if (code == MDB_KEYEXIST) return false;
  if (code != MDB_SUCCESS) return std::unexpected(env_->error(code, "write to"));
  return true;
}

Result<bool> Txn::append(Table table, Octets key, Octets value) {
  MDB_val at = value_of(key);
  MDB_val what = value_of(value);
  const int code = ::mdb_put(handle(), table, &at, &what, MDB_APPEND);
  if (code == MDB_KEYEXIST) return false;
  if (code != MDB_SUCCESS) return std::unexpected(env_->error(code, "write to"));
  return true;
}

Result<void> Txn::remove(Table table, Octets key) {
  MDB_val at = value_of(key);
  const int code = ::mdb_del(handle(), table, &at, nullptr);
  if (code != MDB_SUCCESS && code != MDB_NOTFOUND) {
    return std::unexpected(env_->error(code, "write to"));
  }
  return {};
}

Result<void> Txn::remove(Table table, Octets key, Octets value) {
  MDB_val at = value_of(key);
  MDB_val what = value_of(value);
  const int code = ::mdb_del(handle(), table, &at, &what);
  if (code != MDB_SUCCESS && code != MDB_NOTFOUND) {
    return std::unexpected(env_->error(code, "write to"));
  }
  return {};
}

Result<void> Txn::clear(Table table) {
  if (const int code = ::mdb_drop(handle(), table, 0); code != MDB_SUCCESS) {
    return std::unexpected(env_->error(code, "write to"));
  }
  return {};
}

std::uint64_t Txn::id() const { return ::mdb_txn_id(handle()); }

Result<Txn::Size> Txn::size(Table table) const {
  MDB_stat stat{};
  if (const int code = ::mdb_stat(handle(), table, &stat); code != MDB_SUCCESS) {
    return std::unexpected(env_->error(code, "read"));
  }
  return size_of(stat);
}

Result<void> Txn::commit() {
  // Freed by LMDB whatever the outcome.
  if (const int code = ::mdb_txn_commit(handle_.release()); code != MDB_SUCCESS) {
    return std::unexpected(env_->error(code, "write to"));
  }
  return {};
}

void Txn::reset() { ::mdb_txn_reset(handle()); }

Result<void> Txn::renew() {
  if (const int code = ::mdb_txn_renew(handle()); code != MDB_SUCCESS) {
    return std::unexpected(env_->error(code, "read"));
  }
  return {};
}

}  // namespace postern::store
