// A transaction of LMDB: aborted unless committed. What get() returns points into the map and is
// gone with the transaction, or with its next write.
#pragma once

#include "base/result.h"
#include "store/env.h"
#include "store/octets.h"

#include <cstdint>
#include <memory>
#include <optional>

struct MDB_txn;

namespace postern::store {

using Table = unsigned;

enum class TableKind : std::uint8_t {
  plain,
  by_hash,     // keys of 16 octets, compared as two words: the order is that of their octets
  many_fixed,  // the same, several values a key, each of 16 octets, sorted
};

class Txn {
 public:
  [[nodiscard]] static Result<Txn> read(const Env& env);
  // Waits for the writer before it, of this process or another. Errc::busy, and the environment
  // must be opened anew, where its files have moved (swap.h): nothing may be written to them any
  // more.
  [[nodiscard]] static Result<Txn> write(const Env& env);
  // The same, moved or not: for whoever sets and clears that mark.
  [[nodiscard]] static Result<Txn> write_anyway(const Env& env);

  // A handle is for good once this transaction was committed. Errc::damaged where the table is
  // missing and not created. Without a name: the table of tables, which is always there.
  [[nodiscard]] Result<Table> open_table(const char* name, TableKind kind, bool create);
  // The same of a table that a store may lack.
  [[nodiscard]] Result<std::optional<Table>> find_table(const char* name, TableKind kind);

  [[nodiscard]] Result<std::optional<Octets>> get(Table table, Octets key) const;
  [[nodiscard]] Result<void> put(Table table, Octets key, Octets value);
  // False where the key (plain) or this very value of it (many_fixed) is there already; nothing is
  // changed then.
  [[nodiscard]] Result<bool> add(Table table, Octets key, Octets value);
  // False, and nothing is done, where the key is not behind all others. Fills pages whole, where
  // put() in order would leave them half empty.
  [[nodiscard]] Result<bool> append(Table table, Octets key, Octets value);
  // One value of a key of many; none there is no error.
  [[nodiscard]] Result<void> remove(Table table, Octets key, Octets value);
  // The key with all its values; none there is no error.
  [[nodiscard]] Result<void> remove(Table table, Octets key);

  // Every row of it.
  [[nodiscard]] Result<void> clear(Table table);

  // Of the snapshot that it reads.
  [[nodiscard]] std::uint64_t id() const;

  struct Size {
    std::uint64_t entries = 0;
    std::uint64_t octets = 0;  // of its pages
  };
  [[nodiscard]] Result<Size> size(Table table) const;

  [[nodiscard]] Result<void> commit();
  // A read transaction rests between lookups, keeping its slot and memory: renew() takes the newest
  // snapshot.
  void reset();
  [[nodiscard]] Result<void> renew();

  [[nodiscard]] MDB_txn* handle() const { return handle_.get(); }
  [[nodiscard]] const Env& env() const { return *env_; }

 private:
  struct Abort {
    void operator()(MDB_txn* txn) const;
  };
  Txn(const Env& env, MDB_txn* handle) : env_(&env), handle_(handle) {}
  static Result<Txn> begin(const Env& env, unsigned flags);

  const Env* env_;
  std::unique_ptr<MDB_txn, Abort> handle_;
};

}  // namespace postern::store
