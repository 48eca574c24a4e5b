// What return mail comes to (NoteReturn), in the batch's transaction:
//
//   unknown, automatic reply        nothing, unless a person replied: then a sign of life
//   suppressed                      counted; no event, or a suppression would renew itself
//   bounce, hard, of the mailbox    a `bounced` hold of every stream
//   bounce, soft                    a report; with those before it, a hold by the rule
//   complaint                       a `complained` hold of every stream
//   unsubscribe                     an `unsubscribed` hold of its stream, or of every marketing one
//   delayed                         a report
//   delivered                       a report; a sign of life where the mailbox has it
//
// Where such a hold stands already, a report says that it came again. Reports are bounded:
// beyond max_reports of a weight within 30 days, mail is counted by the rows of the report alone. A
// sign of life is kept nevertheless where it voids a soft bounce. Of soft bounces, as many a day
// are kept as the rule asks for in all, and max_reports at most.
//
// A contact that was forgotten stays so: neither address nor text of later return mail is kept.
#pragma once

#include "base/result.h"
#include "store/change.h"

namespace postern::store {

class Batch;

inline constexpr std::size_t max_reports = 100;

// Errc::invalid, and nothing was done, where the stream's name is none.
[[nodiscard]] Result<Outcome> note_return(Batch& batch, const NoteReturn& change, Time now);

}  // namespace postern::store
