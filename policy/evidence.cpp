#include "policy/evidence.h"

#include <algorithm>

namespace postern::policy {

std::string kept_status(std::string_view text) {
  const bool good =
      !text.empty() && text.size() <= max_status &&
      std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  return good ? std::string(text) : std::string();
}

bool is_about_mailbox(BounceReason reason) {
  switch (reason) {
    case BounceReason::user_unknown:
    case BounceReason::domain_unknown:
    case BounceReason::moved:
    case BounceReason::not_accepting:
    case BounceReason::disabled:
    case BounceReason::mailbox_full:
      return true;
    default:
      return false;
  }
}

std::string note_of(const ReturnEvidence& evidence, std::string_view diagnostic) {
  if (diagnostic.empty()) {
    const bool bounce = evidence.type == ReturnType::bounce || evidence.type == ReturnType::delayed;
    // A complaint, or an unsubscription, has none.
    if (!bounce && evidence.reason == BounceReason::undefined) return evidence.status;
    std::string note = evidence.status;
    if (!note.empty()) note += ' ';
    return note += to_string(evidence.reason);
  }
  if (evidence.status.empty() || diagnostic.contains(evidence.status)) {
    return std::string(diagnostic);
  }
  return evidence.status + ' ' + std::string(diagnostic);
}

}  // namespace postern::policy
