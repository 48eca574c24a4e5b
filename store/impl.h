// What a Store is made of; for the files that implement it.
#pragma once

#include "policy/ledger.h"
#include "store/absence.h"
#include "store/env.h"
#include "store/keys.h"
#include "store/rules.h"
#include "store/store.h"
#include "store/tables.h"
#include "store/txn.h"

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace postern::store {

// What a change that is wrong by itself does to those beside it.
enum class Wrong : std::uint8_t { fails_alone, fails_all };

struct Store::Impl {
  Options options;
  std::unique_ptr<Env> env;
  Tables tables;
  HashKey hash_key;
  bool read_only;
  std::vector<ProviderConfig> providers;

  // One writer of this process at a time; LMDB's lock is for the others. Guards what follows.
  std::mutex write_mutex;
  KeyHasher hasher;
  Rules rules;
  policy::CopyKey swept_to;  // how far the search for expired rows of the ledger has come
  std::array<std::uint8_t, 8> contexts_swept_to{};  // the same of contexts

  // Refers to env and tables: ends before them.
  std::unique_ptr<AbsenceKeeper> absence{};

  // Errc::unsupported, of a change to a store that was opened so.
  [[nodiscard]] Error opened_for_reading() const;
  [[nodiscard]] Result<Txn> read() const { return Txn::read(*env); }
  [[nodiscard]] Result<std::vector<Result<Outcome>>> change(std::span<const Change> changes,
                                                            Time now, Wrong wrong);
};

[[nodiscard]] Result<std::unique_ptr<policy::ContactReader>> make_reader(
    const Env& env, const Tables& tables, const HashKey& key, const AbsenceKeeper& absence);

}  // namespace postern::store
