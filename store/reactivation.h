// The operator's word that a contact takes mail again: lifts its bounce holds, within limits, so
// that a list of dead addresses is not brought back to life. The counts are kept where neither
// forgetting nor importing anew touches them: by an event under the contact's hash, and by a number
// of the store's for the calendar month (UTC). Complaints, unsubscriptions and blocks stay.
#pragma once

#include "base/time.h"
#include "policy/contact.h"
#include "store/store.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace postern::store {

struct BounceHold {
  policy::Hold hold;
  std::optional<policy::ReturnEvidence> evidence;  // none: by an import or an operator
  std::string source;
  std::string note;
};

struct Reactivation {
  enum class Answer : std::uint8_t {
    allowed,       // of reactivation(): it would be lifted; of reactivate(): it was
    nothing,       // no bounce hold stands on this very address
    once_already,  // once a contact
    user_unknown,  // and nobody says that mail came from it since
    month_spent,
  };
  Answer answer = Answer::nothing;
  std::vector<BounceHold> holds;  // those that stand, or stood
  std::optional<Time> before;     // the contact's last reactivation
  std::uint32_t used = 0;         // of this month, over all contacts; this one included if it was
  std::uint32_t limit = 0;
};

// 2 % of the contacts, at least 10, at most 1,000.
[[nodiscard]] std::uint32_t reactivations_a_month(std::uint64_t contacts);

}  // namespace postern::store
