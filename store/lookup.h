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
#include <initializer_list>
#include <string_view>
#include <utility>

namespace postern::store {

// Of the address without its subaddress; `own`, its own key, where it has none.
[[nodiscard]] ContactKey key_without_subaddress(const KeyHasher& hasher,
                                                const policy::CanonicalAddress& address,
                                                const ContactKey& own);

// "@domain" and "@.parent" of each parent, nearest first, as pieces of the address: `visit` answers
// whether to go on. False where it did not.
template <class Visit>
[[nodiscard]] bool for_each_domain(std::string_view text, Visit visit) {
  const auto at = text.rfind('@');
  if (at == text.npos) return true;
  const std::string_view domain = text.substr(at + 1);
  using Pieces = std::initializer_list<std::string_view>;
  if (!visit(Pieces{text.substr(at)})) return false;
  if (domain.starts_with('[')) return true;
  for (auto dot = domain.find('.', 1); dot != domain.npos; dot = domain.find('.', dot + 1)) {
    if (!visit(Pieces{"@", domain.substr(dot)})) return false;
  }
  return true;
}

// One for each transaction, of a write transaction or of a read transaction that may be renewed;
// not shared between threads.
class Lookup {
 public:
  enum class Of : std::uint8_t { read_transaction, write_transaction };
  [[nodiscard]] static Result<Lookup> open(const Txn& txn, const Tables& tables, KeyHasher hasher,
                                           Of which);

  // The read transaction was renewed.
  [[nodiscard]] Result<void> renew(const Txn& txn);

  // Adds to `findings`. A record that does not read is an error, never "nothing known". `own`: what
  // the address is found by.
  [[nodiscard]] Result<void> find(const Txn& txn, const policy::CanonicalAddress& address,
                                  const ContactKey& own, policy::Findings& findings);

 private:
  using Form = policy::Findings::Found::Form;
  Lookup(const Tables& tables, KeyHasher hasher, Cursor contacts, Cursor folded, bool reads)
      : tables_(tables),
        hasher_(hasher),
        contacts_(std::move(contacts)),
        folded_(std::move(folded)),
        reads_(reads) {}
  [[nodiscard]] Result<void> note_uses();
  Result<void> find_mailbox(const policy::CanonicalAddress& address, const ContactKey& own);
  Result<void> find_folded(std::string_view form, const std::array<ContactKey, 2>& exact);
  Result<void> find_domains(std::string_view text);
  Result<void> find_digests(const policy::CanonicalAddress& address);
  Result<void> take_mailbox(const ContactKey& key);
  Result<void> take(Table table, const ContactKey& key, Form form);
  Result<void> add(Octets record, const ContactKey& key, Form form);

  Tables tables_;
  KeyHasher hasher_;
  Cursor contacts_;
  Cursor folded_;
  bool reads_;  // of a read transaction: one snapshot until renew()
  Rules rules_;
  // Which tables have something in them, as of the snapshot of that number: to ask LMDB costs as
  // much as a lookup, the first time in a transaction.
  struct Uses {
    std::uint64_t as_of = 0;
    bool domains = false;
    bool digests = false;
    bool folded = false;
  };
  Uses uses_;
  const Txn* txn_ = nullptr;              // of the lookup under way
  policy::Findings* findings_ = nullptr;  // the same
};

}  // namespace postern::store
