// A cursor of LMDB over one table. Each step returns false at the end. Of a write transaction it
// must die before the commit; of a read transaction it may be renewed with it.
#pragma once

#include "base/result.h"
#include "store/octets.h"
#include "store/txn.h"

#include <memory>

struct MDB_cursor;

namespace postern::store {

class Cursor {
 public:
  [[nodiscard]] static Result<Cursor> open(const Txn& txn, Table table);

  [[nodiscard]] Result<bool> first();
  [[nodiscard]] Result<bool> at_or_after(Octets key);
  [[nodiscard]] Result<bool> at(Octets key);  // the first value of exactly this key
  [[nodiscard]] Result<bool> next();
  [[nodiscard]] Result<bool> next_of_key();
  // As Txn::append(), and faster where one row comes after the other, since it stays at the end: it
  // must die before another row is put into the same table.
  [[nodiscard]] Result<bool> append(Octets key, Octets value);
  // As Txn::add(): of a plain table, where value() is then what the key has; and of one with
  // several values a key. Keys that come in their order cost less, since it stays where it is.
  [[nodiscard]] Result<bool> add(Octets key, Octets value);
  [[nodiscard]] Result<bool> add_value(Octets key, Octets value);
  // Of the key where it stands, which add() has just found there.
  [[nodiscard]] Result<void> replace(Octets key, Octets value);
  [[nodiscard]] Result<void> renew(const Txn& txn);

  // Where the last step that returned true went, if no put came after it; but for add(). Points
  // into the map.
  [[nodiscard]] Octets key() const { return key_; }
  [[nodiscard]] Octets value() const { return value_; }

 private:
  struct Close {
    void operator()(MDB_cursor* cursor) const;
  };
  Cursor(const Env& env, MDB_cursor* handle) : env_(&env), handle_(handle) {}
  Result<bool> step(Octets key, int operation);
  Result<bool> put(Octets key, Octets value, unsigned flags);

  const Env* env_;
  std::unique_ptr<MDB_cursor, Close> handle_;
  Octets key_;
  Octets value_;
};

}  // namespace postern::store
