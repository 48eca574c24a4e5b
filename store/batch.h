// Changes on their way into one commit: each becomes its events (or none), which are appended and
// folded into the contact in the same transaction. Dies uncommitted: nothing happened.
#pragma once

#include "base/result.h"
#include "policy/contact.h"
#include "store/cursor.h"
#include "store/event_record.h"
#include "store/imports.h"
#include "store/keys.h"
#include "store/lookup.h"
#include "store/rules.h"
#include "store/store.h"
#include "store/tables.h"
#include "store/txn.h"

#include <optional>
#include <string>

namespace postern::store {

class Batch {
 public:
  // Waits for other writers. `hasher` and `rules` are the caller's, for as long as the batch lives.
  [[nodiscard]] static Result<Batch> begin(const Env& env, const Tables& tables,
                                           const KeyHasher& hasher, Rules& rules);

  // What follows is of this import: its events name it, and leave out what its record says.
  // `streams`: of the configuration, for who is held; nullptr: as far as names tell.
  void of_import(const ImportRecord& import, const policy::Streams* streams) {
    import_ = &import;
    streams_ = streams;
  }
  // The contacts come in the order of their keys: pages are filled whole where the store was empty.
  void expect_order() { contacts_.expected = addresses_.expected = by_contact_.expected = true; }

  // The folded forms of contacts that are new are in the store already (spellings.h).
  void expect_spelled() { spelled_ = true; }

  // Errc::invalid, and nothing was done: the batch is as good as before. After any other error it
  // can only be dropped.
  [[nodiscard]] Result<Outcome> apply(const Change& change, Time now);
  // `key`: of the change's address, for who has it already.
  [[nodiscard]] Result<Outcome> apply(const Change& change, const ContactKey& key, Time now);
  // Returns when it is on the disk. Without a change there is nothing to write, and no fsync.
  [[nodiscard]] Result<void> commit();

  // The contact that a change is about, read once and written once.
  struct Target {
    Table table = 0;
    ContactKey key{};
    policy::CanonicalAddress address;  // empty where only the key is known
    policy::Contact contact;
    bool known = false;
  };
  [[nodiscard]] Result<Target> read(const policy::CanonicalAddress& address);
  // Of any form; `known` is false where there is none.
  [[nodiscard]] Result<Target> read(const ContactKey& key);
  [[nodiscard]] Result<void> append(Target& target, policy::Facts facts, Time happened, Time now,
                                    const Origin& origin, const MailDetails& mail = {});
  [[nodiscard]] Result<void> write(const Target& target);

  // For what is written beside: nothing of it may touch contacts or events.
  [[nodiscard]] Txn& txn() { return txn_; }
  void touch() { changed_ = true; }
  [[nodiscard]] const Tables& tables() const { return tables_; }
  [[nodiscard]] const KeyHasher& hasher() { return *hasher_; }
  [[nodiscard]] const Numbering& numbering() const { return numbering_; }

 private:
  // A table that is probably written in order; after some misses it is not.
  struct Order {
    bool expected = false;
    unsigned misses = 0;
    bool appended = false;  // the last row
    std::optional<Cursor> cursor{};
  };
  Batch(Txn txn, const Tables& tables, const KeyHasher& hasher, Rules& rules, Numbering numbering)
      : txn_(std::move(txn)),
        tables_(tables),
        hasher_(&hasher),
        rules_(&rules),
        numbering_(numbering) {}

  Result<Outcome> apply_to_address(const auto& change, const ContactKey* key, Time now);
  Result<Outcome> apply(const Change& change, const ContactKey* key, Time now);
  Result<Target> read(const policy::CanonicalAddress& address, const ContactKey& key);
  Result<Outcome> apply(const PlaceHold& change, Target& target, Time now);
  Result<Outcome> apply(const LiftHolds& change, Target& target, Time now);
  Result<Outcome> apply(const GiveConsent& change, Target& target, Time now);
  static void add_own_words(const PlaceHold& change, const policy::Contact& contact,
                            std::vector<policy::Scope>& except);
  Result<std::optional<Outcome>> meet_known(const PlaceHold& change, const policy::Hold& known,
                                            Target& target);
  Result<std::optional<policy::Hold>> what_holds(const GiveConsent& change, Time now);
  Result<void> repeat(const Target& target, const policy::HoldId& hold);
  Result<void> count_departure(const Target& target, const EventRecord& record,
                               std::string_view campaign, Time now);
  Result<void> put(Table table, Octets key, Octets value, Order& order);
  Result<void> remember_stream(const policy::Scope& scope);

  Txn txn_;
  Tables tables_;
  const KeyHasher* hasher_;
  Rules* rules_;
  Numbering numbering_;
  const ImportRecord* import_ = nullptr;
  const policy::Streams* streams_ = nullptr;
  std::optional<Lookup> lookup_;
  bool changed_ = false;
  bool numbered_ = false;
  bool spelled_ = false;
  Order events_{.expected = true};
  Order texts_{.expected = true};  // by event too
  Order contacts_, addresses_, by_contact_;
  std::optional<ContactKey> last_contact_;  // of the table, where it was appended here
  std::string last_stream_;                 // remembered already
  OctetWriter out_;
};

}  // namespace postern::store
