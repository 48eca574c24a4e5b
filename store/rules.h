// The providers' rules that the folded table was keyed with. They are in the store, so that every
// process that has it open, whatever its configuration said, keys and looks up by the same.
#pragma once

#include "base/config.h"
#include "base/result.h"
#include "policy/address.h"
#include "store/keys.h"
#include "store/tables.h"
#include "store/txn.h"

#include <string>
#include <string_view>
#include <vector>

namespace postern::store {

class Rules {
 public:
  // The built-in providers, then `extra`.
  static Rules of(const std::vector<ProviderConfig>& extra);

  // As the store has them now; cheap where they are those that were read last. An empty store has
  // none.
  [[nodiscard]] Result<void> read(const Txn& txn, const Tables& tables);
  // Makes these the store's: every address that is kept gets its folded key anew. A contact whose
  // text was erased keeps the key it had.
  [[nodiscard]] Result<void> rekey(Txn& txn, const Tables& tables, const KeyHasher& hasher) const;

  [[nodiscard]] const std::vector<ProviderConfig>& providers() const { return providers_; }
  [[nodiscard]] std::vector<ProviderConfig> extra() const;
  friend bool operator==(const Rules&, const Rules&) = default;

 private:
  [[nodiscard]] bool decode();
  std::string encoded_;
  std::vector<ProviderConfig> providers_;
  std::size_t builtin_ = 0;  // how many of them came with the program
};

// How often a store got other rules: with each of them folded keys come and go without an event.
[[nodiscard]] Result<std::uint64_t> rule_changes(const Txn& txn, const Tables& tables);

// Places the folded key of an address; nothing where no rule applies.
[[nodiscard]] Result<void> add_folded(Txn& txn, const Tables& tables, const KeyHasher& hasher,
                                      const std::vector<ProviderConfig>& providers,
                                      const policy::CanonicalAddress& address,
                                      const ContactKey& key);

}  // namespace postern::store
