// The record of a contact, as it lies under its key: the fold of its events, ready to be decided
// on. Octets: a version, then holds, lifts and consents, each behind its count and in the order
// that policy::Contact keeps.
#pragma once

#include "base/result.h"
#include "policy/contact.h"
#include "store/octets.h"

namespace postern::store {

// Appends to `out`.
void encode(const policy::Contact& contact, OctetWriter& out);

// Into `contact`, whose vectors keep their memory. False where the record is not one: of another
// version, cut, of unknown kinds, out of order. What `contact` holds then is nothing to decide on.
[[nodiscard]] bool decode(Octets record, policy::Contact& contact);

// Scopes are written alike in contacts and events.
void encode(const policy::Scope& scope, OctetWriter& out);
void decode(OctetReader& in, policy::Scope& scope);
void encode(const std::optional<Time>& time, OctetWriter& out);
void decode(OctetReader& in, std::optional<Time>& time);
void decode(OctetReader& in, policy::HoldKind& kind);
[[nodiscard]] inline Time decode_time(OctetReader& in) {
  return Time{std::chrono::seconds{in.i64()}};
}
inline void encode(Time time, OctetWriter& out) { out.i64(time.time_since_epoch().count()); }

}  // namespace postern::store
