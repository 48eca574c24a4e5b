// The tables of a store and what its meta table says of it as a whole.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "policy/address.h"
#include "store/keys.h"
#include "store/txn.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::store {

struct Tables {
  Table root;        // LMDB's own, of the tables below
  Table meta;        // name -> value: see Meta
  Table contacts;    // contact key -> contact record, of mailboxes: what RCPT reads
  Table domains;     // the same of "@domain" and "@.domain": empty for most, and then costs nothing
  Table digests;     // the same of entries of hash lists, known by their hex digits
  Table folded;      // hash of the folded form -> contact keys
  Table events;      // event id -> event record
  Table by_contact;  // contact key -> event ids
  Table texts;       // event id -> personal text, erasable apart from the event
  Table addresses;   // contact key -> canonical text, erasable apart from the contact
  Table streams;     // every stream name that a scope has used -> nothing
  Table imports;     // number of an import -> its record
  Table repeated;    // contact key and hold id -> the other imports that said the same
  Table traffic;     // day, contact key, campaign number, result -> count, last sender, time
  Table campaigns;   // campaign number -> stream and campaign; and back

  // Copies of messages that the upstream took (ledger.h); none where an earlier program made the
  // store, and nobody has opened it for writing since.
  std::optional<Table> ledger;
  // Hash -> the context of return addresses (policy/return_contexts.h); none likewise.
  std::optional<Table> contexts;
  // As the ledger: since format 3.
  std::optional<Table> reports;      // reports that were taken (reports.h)
  std::optional<Table> return_mail;  // mail that was not understood (kept_mail.h)

  // Where the record of an address lies.
  [[nodiscard]] Table of(const policy::CanonicalAddress& address) const {
    if (address.is_domain()) return domains;
    return address.is_digest() ? digests : contacts;
  }
};

// Bumped when an older program could not read, or would wrongly write, what a newer one wrote.
// Format 3 added events of return mail and reactivations, and rows of their results.
inline constexpr std::uint32_t schema_version = 3;
inline constexpr std::uint32_t oldest_schema = 2;  // that is still opened

// With `create` an empty environment becomes a store: tables, versions, hash key, origin. Errors:
// not_found where it is empty (never finished) and stays so; version where schema or canonical form
// is another than this program's.
[[nodiscard]] Result<Tables> open_tables(Txn& txn, bool create);

// What a store of an earlier program lacks: later tables, keys for links, and to be marked as of
// this program's format, since that program could not read what is written from now on.
[[nodiscard]] Result<bool> is_complete(const Txn& txn, const Tables& tables);
[[nodiscard]] Result<void> complete(Txn& txn, Tables& tables, Time now);
// The tables alone.
[[nodiscard]] Result<void> open_later_tables(Txn& txn, Tables& tables);

// The key of contact hashes, once for the life of a store.
[[nodiscard]] Result<HashKey> hash_key(const Txn& txn, const Tables& tables);

// Which events are ours: the origin, and the last number given under it.
struct Numbering {
  std::uint64_t origin = 0;
  std::uint64_t last = 0;
};
[[nodiscard]] Result<Numbering> numbering(const Txn& txn, const Tables& tables);
[[nodiscard]] Result<void> put_numbering(Txn& txn, const Tables& tables,
                                         const Numbering& numbering);

// Where the store lay when its origin was drawn (location.h).
[[nodiscard]] Result<std::string> location(const Txn& txn, const Tables& tables);
// A new epoch: this copy must not give numbers that the other gives too.
[[nodiscard]] Result<void> draw_origin(Txn& txn, const Tables& tables, std::string_view location);

}  // namespace postern::store
