// What stands on an address, under every form that covers it: policy::lookup_forms() walked as
// pieces of the address, so that a lookup builds no strings; only a provider's rule, a quoted
// subaddress and hash lists cost one. The gate's question at RCPT, and the importer's.
#pragma once

#include "base/result.h"
#include "policy/address.h"
#include "policy/decision.h"
#include "store/cursor.h"
#include "store/digests.h"
#include "store/keys.h"
#include "store/rules.h"
#include "store/tables.h"
#include "store/txn.h"

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace postern::store {

// One for each transaction, which may be renewed; not shared between threads.
class Lookup {
 public:
  enum class Of : std::uint8_t { read_transaction, write_transaction };
  [[nodiscard]] static Result<Lookup> open(const Txn& txn, const Tables& tables, KeyHasher hasher,
                                           Of which);

  // Adds to `findings`. A record that does not read is an error, never "nothing known".
  [[nodiscard]] Result<void> find(const Txn& txn, const policy::CanonicalAddress& address,
                                  policy::Findings& findings);

 private:
  using Form = policy::Findings::Found::Form;
  Lookup(const Tables& tables, KeyHasher hasher, Cursor folded, bool renews)
      : tables_(tables), hasher_(std::move(hasher)), folded_(std::move(folded)), renews_(renews) {}
  Result<void> find_mailbox(const policy::CanonicalAddress& address);
  Result<void> find_folded(std::string_view form, const std::array<ContactKey, 2>& exact);
  Result<void> find_domains(std::string_view text);
  Result<void> find_digests(const policy::CanonicalAddress& address);
  Result<void> take(Table table, const ContactKey& key, Form form);
  ContactKey key_without_subaddress(const policy::CanonicalAddress& address, const ContactKey& own);

  Tables tables_;
  KeyHasher hasher_;
  Cursor folded_;
  bool renews_;  // the transaction was renewed since, and the cursor has to be too
  Rules rules_;
  const Txn* txn_ = nullptr;              // of the lookup under way
  policy::Findings* findings_ = nullptr;  // the same
};

}  // namespace postern::store
