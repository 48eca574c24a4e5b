// Changes on their way into one commit: each becomes its events (or none), which are appended and
// folded into the contact in the same transaction. Dies uncommitted: nothing happened.
#pragma once

#include "base/result.h"
#include "policy/contact.h"
#include "store/keys.h"
#include "store/rules.h"
#include "store/store.h"
#include "store/tables.h"
#include "store/txn.h"

#include <string>

namespace postern::store {

class Batch {
 public:
  // Waits for other writers. `hasher` and `rules` are the caller's, for as long as the batch lives.
  [[nodiscard]] static Result<Batch> begin(const Env& env, const Tables& tables, KeyHasher& hasher,
                                           Rules& rules);

  // Errc::invalid, and nothing was done: the batch is as good as before. After any other error it
  // can only be dropped.
  [[nodiscard]] Result<Outcome> apply(const Change& change, Time now);
  // Returns when it is on the disk. Without an event there is nothing to write, and no fsync.
  [[nodiscard]] Result<void> commit();

 private:
  // The contact that a change is about, read once and written once.
  struct Target {
    const policy::CanonicalAddress& address;
    ContactKey key{};
    policy::Contact contact{};
  };
  Batch(Txn txn, const Tables& tables, KeyHasher& hasher, Rules& rules, Numbering numbering)
      : txn_(std::move(txn)),
        tables_(tables),
        hasher_(&hasher),
        rules_(&rules),
        numbering_(numbering) {}

  Result<Outcome> apply(const PlaceHold& change, Target& target, Time now);
  Result<Outcome> apply(const LiftHolds& change, Target& target, Time now);
  Result<Outcome> apply(const GiveConsent& change, Target& target, Time now);

  Result<Target> read(const policy::CanonicalAddress& address);
  Result<void> append(Target& target, policy::Facts facts, Time happened, Time now,
                      const Origin& origin);
  Result<void> write(const Target& target);
  Result<void> remember_stream(const policy::Scope& scope);

  Txn txn_;
  Tables tables_;
  KeyHasher* hasher_;
  Rules* rules_;
  Numbering numbering_;
  bool changed_ = false;
  OctetWriter out_;
};

}  // namespace postern::store
