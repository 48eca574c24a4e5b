#include "store/cursor.h"

#include <utility>

#include <lmdb.h>

namespace postern::store {

void Cursor::Close::operator()(MDB_cursor* cursor) const { ::mdb_cursor_close(cursor); }

Result<Cursor> Cursor::open(const Txn& txn, Table table) {
  MDB_cursor* handle = nullptr;
  if (const int code = ::mdb_cursor_open(txn.handle(), table, &handle); code != MDB_SUCCESS) {
    return std::unexpected(txn.env().error(code, "read"));
  }
  return Cursor(txn.env(), handle);
}

Result<bool> Cursor::step(Octets key, int operation) {
  MDB_val at{key.size(), const_cast<std::uint8_t*>(key.data())};  // LMDB only reads it
  MDB_val found{};
  const int code =
      ::mdb_cursor_get(handle_.get(), &at, &found, static_cast<MDB_cursor_op>(operation));
  if (code == MDB_NOTFOUND) return false;
  if (code != MDB_SUCCESS) return std::unexpected(env_->error(code, "read"));
  key_ = {static_cast<const std::uint8_t*>(at.mv_data), at.mv_size};
  value_ = {static_cast<const std::uint8_t*>(found.mv_data), found.mv_size};
  return true;
}

Result<bool> Cursor::first() { return step({}, MDB_FIRST); }
Result<bool> Cursor::at_or_after(Octets key) { return step(key, MDB_SET_RANGE); }
Result<bool> Cursor::at(Octets key) { return step(key, MDB_SET_KEY); }
Result<bool> Cursor::next() { return step({}, MDB_NEXT); }
Result<bool> Cursor::next_of_key() { return step({}, MDB_NEXT_DUP); }

Result<bool> Cursor::append(Octets key, Octets value) { return put(key, value, MDB_APPEND); }
Result<bool> Cursor::add(Octets key, Octets value) { return put(key, value, MDB_NOOVERWRITE); }
Result<bool> Cursor::add_value(Octets key, Octets value) { return put(key, value, MDB_NODUPDATA); }
Result<void> Cursor::replace(Octets key, Octets value) {
  auto done = put(key, value, MDB_CURRENT);
  return done ? Result<void>{} : std::unexpected(std::move(done).error());
}

Result<bool> Cursor::put(Octets key, Octets value, unsigned flags) {
  MDB_val at{key.size(), const_cast<std::uint8_t*>(key.data())};
  MDB_val what{value.size(), const_cast<std::uint8_t*>(value.data())};
  const int code = ::mdb_cursor_put(handle_.get(), &at, &what, flags);
  if (code == MDB_KEYEXIST) {
    // Of MDB_NOOVERWRITE what is there; otherwise the caller's own octets.
    if (flags == MDB_NOOVERWRITE) {
      value_ = {static_cast<const std::uint8_t*>(what.mv_data), what.mv_size};
    }
    return false;
  }
  if (code != MDB_SUCCESS) return std::unexpected(env_->error(code, "write to"));
  return true;
}

Result<void> Cursor::renew(const Txn& txn) {
  if (const int code = ::mdb_cursor_renew(txn.handle(), handle_.get()); code != MDB_SUCCESS) {
    return std::unexpected(env_->error(code, "read"));
  }
  return {};
}

}  // namespace postern::store
