// Who is certainly not in the store: a filter of everything that a lookup could find, as of one
// transaction. It answers only while that is the store's last one, which every process that commits
// moves on before its change is acknowledged: so a contact that is held, whoever wrote it, is never
// taken for absent, and nothing of it has to survive a crash. What came meanwhile is read from the
// events, which every new contact has.
#pragma once

#include "policy/address.h"
#include "store/env.h"
#include "store/filter.h"
#include "store/keys.h"
#include "store/lookup.h"
#include "store/rules.h"
#include "store/tables.h"
#include "store/txn.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace postern::store {

class Absence {
 public:
  // Reads every key in the store, in short transactions. Nothing where `stopped` became true.
  [[nodiscard]] static Result<std::shared_ptr<Absence>> build(const Env& env, const Tables& tables,
                                                              const KeyHasher& hasher,
                                                              const std::function<bool()>& stopped);

  // Nothing that stands on the address is in the store, as of its last transaction. False where
  // that is not known. From any thread, without a lock unless somebody has just committed.
  // `own`: what the address is found by.
  [[nodiscard]] bool is_certain(const policy::CanonicalAddress& address, const ContactKey& own);

  // It has every contact that a write transaction which has begun finds.
  [[nodiscard]] bool holds_for(const Txn& writing) const {
    return as_of_.load(std::memory_order_acquire) + 1 == writing.id();
  }
  // Where it does: false where the contact is not in the store.
  [[nodiscard]] bool may_have(const ContactKey& contact) const {
    return filter_->may_have(contact);
  }

  enum class State : std::uint8_t {
    current,
    behind,    // by more events than a lookup may read
    outdated,  // it has to be built anew: other rules, another origin, or it is full
  };
  // Reads at most so many events.
  [[nodiscard]] State catch_up(std::uint64_t most_events);

 private:
  Absence(const Env& env, const Tables& tables, const KeyHasher& hasher)
      : env_(env), tables_(tables), hasher_(hasher) {}
  [[nodiscard]] Result<void> begin();
  [[nodiscard]] Result<void> add_keys(Table table, const std::function<bool()>& stopped);
  [[nodiscard]] Result<State> read_news(std::uint64_t most_events);
  [[nodiscard]] Result<bool> add_events(const Txn& txn, std::uint64_t last);
  [[nodiscard]] Result<void> note_sizes(const Txn& txn);
  [[nodiscard]] bool rules_out(const policy::CanonicalAddress& address,
                               const ContactKey& own) const;
  [[nodiscard]] bool rules_out_folded(const policy::CanonicalAddress& address) const;

  const Env& env_;
  Tables tables_;
  KeyHasher hasher_;
  std::unique_ptr<Filter> filter_;
  Rules rules_;  // those in force; with others it is outdated
  std::uint64_t rule_changes_ = 0;
  std::uint64_t spellings_ahead_ = 0;  // when the filter was begun
  std::atomic<bool> domains_ = false;
  std::atomic<bool> digests_ = false;
  std::atomic<bool> folded_ = false;
  std::atomic<std::uint64_t> as_of_ = 0;  // the transaction; 0: of none

  std::mutex mutex_;  // of who reads the news
  Numbering seen_;
  std::uint64_t seen_folded_ = 0;
  State state_ = State::behind;
};

// Has one built in the background, and another where it is outdated.
class AbsenceKeeper {
 public:
  AbsenceKeeper(const Env& env, const Tables& tables, const KeyHasher& hasher)
      : env_(env), tables_(tables), hasher_(hasher) {}
  ~AbsenceKeeper();
  AbsenceKeeper(const AbsenceKeeper&) = delete;
  AbsenceKeeper& operator=(const AbsenceKeeper&) = delete;

  // Now and then, from one thread. True: there is one, and it is current.
  bool look();
  // Changes with current().
  [[nodiscard]] std::uint64_t generation() const {
    return generation_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::shared_ptr<Absence> current() const;

 private:
  void build();

  const Env& env_;
  const Tables& tables_;
  KeyHasher hasher_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> building_ = false;
  std::thread builder_;
  mutable std::mutex mutex_;
  std::shared_ptr<Absence> current_;
  std::atomic<std::uint64_t> generation_ = 0;
};

}  // namespace postern::store
