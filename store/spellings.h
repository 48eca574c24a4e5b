// The folded forms of an import's contacts (DESIGN.md 3). Their order is not that of the contacts:
// a put beside each contact would copy a page of the table for each. So they are sorted by
// themselves, and written before their contacts: a form that leads to no contact yet finds nobody,
// while a contact without its form would be missed under its other spellings. An import that is
// broken off in between leaves such forms, and finds them when it goes on; a change of the rules
// takes them away.
#pragma once

#include "base/result.h"
#include "policy/address.h"
#include "store/keys.h"
#include "store/rules.h"
#include "store/sorter.h"
#include "store/tables.h"
#include "store/txn.h"

#include <cstdint>
#include <filesystem>

namespace postern::store {

class Spellings {
 public:
  // `memory` and `directory` as the sorter's.
  Spellings(std::filesystem::path directory, std::size_t memory)
      : sorter_(std::move(directory), memory) {}

  // By the rules of this snapshot. Once, first.
  [[nodiscard]] Result<void> begin(const Txn& txn, const Tables& tables);
  [[nodiscard]] Result<void> add(const KeyHasher& hasher, const policy::CanonicalAddress& address,
                                 const ContactKey& key);
  [[nodiscard]] bool empty() const { return sorter_.size() == 0; }

  // After the last add(), a part of them with each call; false where all are written, or the rules
  // are others now.
  [[nodiscard]] Result<bool> write(Txn& txn, const Tables& tables, std::size_t most);
  // What was written is not in this file any more.
  void give_up() { written_ = false; }
  // All of them are in the store, and the same rules in force as when they were made.
  [[nodiscard]] Result<bool> are_written(const Txn& txn, const Tables& tables) const;

 private:
  [[nodiscard]] Result<bool> has_same_rules(const Txn& txn, const Tables& tables) const;

  Sorter sorter_;
  Rules rules_;
  std::uint64_t rule_changes_ = 0;
  bool written_ = false;
};

// Grows with each write of forms that are ahead of their contacts' events.
[[nodiscard]] Result<std::uint64_t> spellings_ahead(const Txn& txn, const Tables& tables);

}  // namespace postern::store
