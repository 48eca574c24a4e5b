// What stands on a contact as far as its record alone tells: without streams' kinds, which are the
// configuration's.
#pragma once

#include "policy/contact.h"
#include "store/store.h"

#include <optional>
#include <span>

namespace postern::store {

// A lift names the hold and covers all that it binds.
[[nodiscard]] bool lifted_whole(const policy::Hold& hold, const policy::Contact& contact);
// Nothing but the undoing of its import lifted it as a whole.
[[nodiscard]] bool undone(const policy::Hold& hold, const policy::Contact& contact);
// A lift names the hold, for whatever scope.
[[nodiscard]] bool touched(const policy::Hold& hold, const policy::Contact& contact);
// A lift of `scope` would free nothing that is not free already.
[[nodiscard]] bool lifted_for(const policy::Hold& hold, const policy::Contact& contact,
                              const policy::Scope& scope);
// `change` says again what stands already, as the contact or the operator would say it. What an
// import said is not that: it may be undone, and the contact's own word must not go with it.
[[nodiscard]] bool repeats(const PlaceHold& change, const policy::Hold& hold,
                           const policy::Contact& contact);
[[nodiscard]] bool over(const policy::Hold& hold, Time now);
// Some stream could be in both. Two streams' names are two streams; a named stream may be a
// marketing one.
[[nodiscard]] bool intersect(const policy::Scope& a, const policy::Scope& b);
// The gravest hold that still binds something of `scope`, by the order in which policy::decide()
// ranks them; of several the oldest.
[[nodiscard]] std::optional<policy::Hold> foremost(const policy::Contact& contact,
                                                   const policy::Scope& scope, Time now);
[[nodiscard]] bool graver(const policy::Hold& a, const policy::Hold& b);
// What a search of identities found: an imported hold that stands, one that was lifted since, or,
// where it is not known (or its import was undone), the identity that it gets.
struct Known {
  const policy::Hold* hold = nullptr;  // of the contact
  policy::HoldId id;
};
[[nodiscard]] Known find_known(const policy::Contact& contact,
                               std::span<const policy::HoldId> known_as);

}  // namespace postern::store
