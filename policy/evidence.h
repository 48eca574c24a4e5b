// What a piece of return mail, or a refusal, says of a mailbox: facts without personal text, as an
// event keeps them.
#pragma once

#include "policy/bounce.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::policy {

inline constexpr std::size_t max_status = 11;  // "5.999.99999"; RFC 3463 section 2 has "5.999.999"

struct ReturnEvidence {
  ReturnType type = ReturnType::unknown;
  BounceReason reason = BounceReason::undefined;  // of a bounce, or a delay
  std::string status;                             // "5.1.1" (RFC 3463); empty: none was given
  friend bool operator==(const ReturnEvidence&, const ReturnEvidence&) = default;
};

// Digits and dots, at most max_status octets; empty where `text` is anything else.
[[nodiscard]] std::string kept_status(std::string_view text);

// DESIGN.md, "Lessons": evidence about us (policy, reputation, authentication, rate, content) and
// about what lies between (network, TLS, an outage, a full or slow system) suppresses nobody. What
// is left speaks of the mailbox: it is not there, moved, closed, disabled, or full. `undefined` is
// not among them: nobody knows what it speaks of; nor is `expired`, which is an outage first.
[[nodiscard]] bool is_about_mailbox(BounceReason reason);

// What a sender reads of it: the diagnostic, behind the code where it does not hold it; without a
// diagnostic (none was given, or it was erased) "5.1.1 user-unknown".
[[nodiscard]] std::string note_of(const ReturnEvidence& evidence, std::string_view diagnostic);

}  // namespace postern::policy
