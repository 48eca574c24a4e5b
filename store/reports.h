// Which reports were taken: the same report again (a sender's retry, a copy) is no second event. A
// report is known by a keyed hash, for 400 days: longer than any token is good (a year at most).
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "store/keys.h"
#include "store/tables.h"
#include "store/txn.h"

namespace postern::store {

inline constexpr std::chrono::days reports_known{400};

// True where it was not known; it is from now on, in the writer's transaction. Some of those that
// are beyond their time go with each call, so that the table cannot outgrow what comes in.
[[nodiscard]] Result<bool> note_report(Txn& txn, Table reports, const ContactKey& report, Time now);

}  // namespace postern::store
