// What stands on a contact as far as its record alone tells: without streams' kinds, which are the
// configuration's.
#pragma once

#include "policy/contact.h"
#include "store/store.h"

#include <optional>

namespace postern::store {

// A lift names the hold and covers all that it binds.
[[nodiscard]] bool lifted_whole(const policy::Hold& hold, const policy::Contact& contact);
// A lift names the hold, for whatever scope.
[[nodiscard]] bool touched(const policy::Hold& hold, const policy::Contact& contact);
// A lift of `scope` would free nothing that is not free already.
[[nodiscard]] bool lifted_for(const policy::Hold& hold, const policy::Contact& contact,
                              const policy::Scope& scope);
// `change` says again what stands already, as the contact or the operator would say it.
[[nodiscard]] bool repeats(const PlaceHold& change, const policy::Hold& hold,
                           const policy::Contact& contact);
[[nodiscard]] bool over(const policy::Hold& hold, Time now);
// Some stream could be in both. Two streams' names are two streams; a named stream may be a
// marketing one.
[[nodiscard]] bool intersect(const policy::Scope& a, const policy::Scope& b);
// The gravest kind of hold that still binds something of `scope`, by the order in which
// policy::decide() ranks them.
[[nodiscard]] std::optional<policy::HoldKind> foremost(const policy::Contact& contact,
                                                       const policy::Scope& scope, Time now);

}  // namespace postern::store
