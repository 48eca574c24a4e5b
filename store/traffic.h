// What was let through and refused, and who left or bounced, as rows: so often a contact, a
// campaign, a day and a result (DESIGN.md 2). No events: one looping client adds to a count. Rows
// name a contact by its key alone, so that nothing of it need be erased but the last sender.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "policy/address.h"
#include "policy/evidence.h"
#include "store/keys.h"
#include "store/tables.h"
#include "store/txn.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::store {

inline constexpr std::chrono::days traffic_kept{400};

// The numbers are the store's own.
enum class TrafficResult : std::uint8_t {
  passed = 0,
  refused_unsubscribed = 1,
  refused_complained = 2,
  refused_bounced = 3,
  refused_blocked = 4,
  refused_no_consent = 5,
  // What came of mail that went out before; imports are none of these.
  unsubscribed = 6,
  complained = 7,
  bounced = 8,  // for good: the address does not take mail
  // Return mail that says less, or refuses because of somebody's suppression list.
  soft_bounced = 9,
  delayed = 10,
  delivered = 11,
  suppressed = 12,
};
inline constexpr std::size_t traffic_results = 13;
[[nodiscard]] std::string_view to_string(TrafficResult result);  // "refused_no_consent", ...
[[nodiscard]] bool is_refusal(TrafficResult result);

// One more for that row; in the writer's transaction. A contact that was forgotten is counted with
// no name and no sender.
[[nodiscard]] Result<void> count(Txn& txn, const Tables& tables, const ContactKey& contact,
                                 std::string_view stream, std::string_view campaign,
                                 TrafficResult result, std::string_view sender, Time time);
// The contact's rows of days up to `last_day` lose its key and the sender; the counts stay. How
// many rows that were.
[[nodiscard]] Result<std::uint64_t> forget_traffic(Txn& txn, const Tables& tables,
                                                   const ContactKey& contact,
                                                   std::uint32_t last_day);
// Rows of days before `day` (since 1970, UTC), at most `limit` of them; and, when those are gone,
// campaigns that only they named.
[[nodiscard]] Result<void> prune_traffic(Txn& txn, const Tables& tables, std::uint32_t day,
                                         std::size_t limit);

struct TrafficRow {
  policy::CanonicalAddress address;  // empty: forgotten, or the contact has no record of its own
  bool forgotten = false;
  std::string stream;
  std::string campaign;
  TrafficResult result = TrafficResult::passed;
  std::uint64_t count = 0;
  std::string sender;  // of the last one
  Time last{};
  // Of return mail: what the last report of that day and campaign says, where history has it still.
  std::optional<policy::ReturnEvidence> evidence;
  std::string diagnostic;
};

struct TrafficFilter {
  std::optional<Time> since;         // that whole day (UTC) and what came later
  std::vector<std::string> streams;  // any of them; none: every one
  std::string campaign;              // empty: every one
  // Called with each row that is no `passed`, by day, outside of any transaction.
  std::function<void(const TrafficRow&)> each;
};

struct TrafficTotal {
  std::string stream;
  std::string campaign;  // empty: the mail named none
  std::array<std::uint64_t, traffic_results> counts{};
  Time last{};

  [[nodiscard]] std::uint64_t of(TrafficResult result) const {
    return counts[static_cast<std::size_t>(result)];
  }
  [[nodiscard]] std::uint64_t refused() const;
  // The same of another stream or campaign on top.
  void add(const TrafficTotal& other);
};
// Store::report() walks in short snapshots: a row that is written meanwhile may be counted or not.
struct TrafficReport {
  std::vector<TrafficTotal> totals;  // by stream and campaign; beyond 100,000, campaign "(others)"
};

}  // namespace postern::store
