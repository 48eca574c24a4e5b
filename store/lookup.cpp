#include "store/lookup.h"

#include "store/contact_record.h"

#include <algorithm>
#include <utility>

namespace postern::store {

ContactKey key_without_subaddress(const KeyHasher& hasher, const policy::CanonicalAddress& address,
                                  const ContactKey& own) {
  const std::string_view text = address.text;
  const auto plus = text.find('+', 1);
  if (plus == text.npos) return own;
  const auto at = text.rfind('@');
  // Quotes may come or go with the subaddress: "a." needs them, a.+tag does not.
  if (plus < at && (text.starts_with('"') || text[plus - 1] == '.')) {
    const std::string shorter = policy::without_subaddress(address);
    return shorter.empty() ? own : hasher(shorter);
  }
  return plus < at ? hasher({text.substr(0, plus), text.substr(at)}) : own;
}

Result<Lookup> Lookup::open(const Txn& txn, const Tables& tables, KeyHasher hasher, Of which) {
  auto contacts = Cursor::open(txn, tables.contacts);
  if (!contacts) return std::unexpected(contacts.error());
  auto folded = Cursor::open(txn, tables.folded);
  if (!folded) return std::unexpected(folded.error());
  return Lookup(tables, hasher, std::move(*contacts), std::move(*folded),
                which == Of::read_transaction);
}

Result<void> Lookup::renew(const Txn& txn) {
  auto renewed = contacts_.renew(txn);
  return renewed ? folded_.renew(txn) : renewed;
}

Result<void> Lookup::find(const Txn& txn, const policy::CanonicalAddress& address,
                          const ContactKey& own, policy::Findings& findings) {
  txn_ = &txn;
  findings_ = &findings;
  if (auto noted = note_uses(); !noted) return noted;
  if (!address.is_domain()) {
    if (auto done = find_mailbox(address, own); !done) return done;
    if (uses_.digests) {
      if (auto done = find_digests(address); !done) return done;
    }
  }
  return uses_.domains ? find_domains(address.text) : Result<void>{};
}

Result<void> Lookup::note_uses() {
  const std::uint64_t id = txn_->id();
  // In a write transaction they may change from one lookup to the next.
  if (reads_ && uses_.as_of == id) return {};
  for (const auto& [table, used] :
       {std::pair{tables_.domains, &Uses::domains}, std::pair{tables_.digests, &Uses::digests},
        std::pair{tables_.folded, &Uses::folded}}) {
    auto size = txn_->size(table);
    if (!size) return std::unexpected(size.error());
    uses_.*used = size->entries != 0;
  }
  uses_.as_of = id;
  return {};
}

Result<void> Lookup::find_mailbox(const policy::CanonicalAddress& address, const ContactKey& own) {
  const std::array exact{own, key_without_subaddress(hasher_, address, own)};
  const bool tagged = exact[0] != exact[1];
  if (auto done = take_mailbox(exact[0]); !done) return done;
  if (tagged) {
    if (auto done = take_mailbox(exact[1]); !done) return done;
  }
  if (!uses_.folded) return {};
  if (auto read = rules_.read(*txn_, tables_); !read) return read;
  const std::string form = policy::folded(address, rules_.providers());
  if (form.empty()) return {};
  if (auto done = find_folded(form, exact); !done || !tagged) return done;
  const policy::CanonicalAddress untagged{policy::without_subaddress(address)};
  return find_folded(policy::folded(untagged, rules_.providers()), exact);
}

// Contacts whose spelling folds to the same; those that were found by their own are not found
// twice.
Result<void> Lookup::find_folded(std::string_view form, const std::array<ContactKey, 2>& exact) {
  auto more = folded_.at(hasher_(form));
  for (; more && *more; more = folded_.next_of_key()) {
    ContactKey key{};
    OctetReader value(folded_.value());
    value.raw(key);
    if (!value.finished()) return std::unexpected(txn_->env().damaged("a folded address"));
    if (std::ranges::find(exact, key) != exact.end()) continue;
    if (auto done = take_mailbox(key); !done) return done;
  }
  if (!more) return std::unexpected(more.error());
  return {};
}

Result<void> Lookup::find_domains(std::string_view text) {
  Result<void> done;
  static_cast<void>(for_each_domain(text, [&](std::initializer_list<std::string_view> pieces) {
    done = take(tables_.domains, hasher_(pieces), Form::domain);
    return done.has_value();
  }));
  return done;
}

Result<void> Lookup::find_digests(const policy::CanonicalAddress& address) {
  const auto kinds = digest_kinds(*txn_, tables_);
  if (!kinds) return std::unexpected(kinds.error());
  if (auto read = rules_.read(*txn_, tables_); !read) return read;
  for (const std::string& digest : digests_of(address, rules_.providers(), *kinds)) {
    if (auto done = take(tables_.digests, hasher_(digest), Form::digest); !done) return done;
  }
  return {};
}

// By the cursor, which costs a third less than a get.
Result<void> Lookup::take_mailbox(const ContactKey& key) {
  auto found = contacts_.at(key);
  if (!found) return std::unexpected(found.error());
  return *found ? add(contacts_.value(), key, Form::mailbox) : Result<void>{};
}

Result<void> Lookup::take(Table table, const ContactKey& key, Form form) {
  auto record = txn_->get(table, key);
  if (!record) return std::unexpected(record.error());
  return *record ? add(**record, key, form) : Result<void>{};
}

Result<void> Lookup::add(Octets record, const ContactKey& key, Form form) {
  if (decode(record, findings_->add(form, key).contact)) return {};
  return std::unexpected(txn_->env().damaged("the record of a contact"));
}

}  // namespace postern::store
