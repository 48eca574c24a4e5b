#include "store/standing.h"

#include <algorithm>

namespace postern::store {
namespace {

using policy::Scope;

int severity(policy::HoldKind kind) {
  switch (kind) {
    case policy::HoldKind::blocked:
      return 3;
    case policy::HoldKind::complained:
      return 2;
    case policy::HoldKind::unsubscribed:
      return 1;
    case policy::HoldKind::bounced:
      break;
  }
  return 0;
}

template <class Predicate>
bool any_lift(const policy::Hold& hold, const policy::Contact& contact, Predicate predicate) {
  return std::ranges::any_of(contact.lifts, [&](const policy::Lift& lift) {
    return lift.hold == hold.id && predicate(lift.scope);
  });
}

}  // namespace

bool lifted_whole(const policy::Hold& hold, const policy::Contact& contact) {
  return any_lift(hold, contact, [&](const Scope& lifted) {
    return lifted.kind == Scope::Kind::all || lifted == hold.scope;
  });
}

bool touched(const policy::Hold& hold, const policy::Contact& contact) {
  return any_lift(hold, contact, [](const Scope&) { return true; });
}

bool lifted_for(const policy::Hold& hold, const policy::Contact& contact, const Scope& scope) {
  return lifted_whole(hold, contact) ||
         any_lift(hold, contact, [&](const Scope& lifted) { return lifted == scope; });
}

bool repeats(const PlaceHold& change, const policy::Hold& hold, const policy::Contact& contact) {
  return hold.kind == change.kind && hold.scope == change.scope && hold.until == change.until &&
         !touched(hold, contact);
}

bool over(const policy::Hold& hold, Time now) { return hold.until && *hold.until <= now; }

bool intersect(const Scope& a, const Scope& b) {
  return a.kind != Scope::Kind::stream || b.kind != Scope::Kind::stream || a.stream == b.stream;
}

std::optional<policy::HoldKind> foremost(const policy::Contact& contact, const Scope& scope,
                                         Time now) {
  const policy::Hold* found = nullptr;
  for (const policy::Hold& hold : contact.holds) {
    if (over(hold, now) || !intersect(hold.scope, scope) || lifted_for(hold, contact, scope))
      continue;
    if (found == nullptr || severity(hold.kind) > severity(found->kind)) found = &hold;
  }
  if (found == nullptr) return std::nullopt;
  return found->kind;
}

}  // namespace postern::store
