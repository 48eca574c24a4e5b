#include "store/standing.h"

#include <algorithm>
#include <tuple>

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

// The gravest first.
auto order(const policy::Hold& hold) {
  return std::tuple(-severity(hold.kind), hold.date, hold.id);
}

template <class Predicate>
bool any_lift(const policy::Hold& hold, const policy::Contact& contact, Predicate predicate) {
  return std::ranges::any_of(contact.lifts, [&](const policy::Lift& lift) {
    return lift.hold == hold.id && predicate(lift);
  });
}

bool covers(const policy::Lift& lift, const policy::Hold& hold) {
  return lift.scope.kind == Scope::Kind::all || lift.scope == hold.scope;
}

}  // namespace

bool undone(const policy::Hold& hold, const policy::Contact& contact) {
  const auto by = [&](bool undo) {
    return any_lift(hold, contact, [&](const policy::Lift& lift) {
      return lift.undo == undo && covers(lift, hold);
    });
  };
  return by(true) && !by(false);
}

bool lifted_whole(const policy::Hold& hold, const policy::Contact& contact) {
  return any_lift(hold, contact, [&](const policy::Lift& lift) { return covers(lift, hold); });
}

bool touched(const policy::Hold& hold, const policy::Contact& contact) {
  return any_lift(hold, contact, [](const policy::Lift&) { return true; });
}

bool lifted_for(const policy::Hold& hold, const policy::Contact& contact, const Scope& scope) {
  return lifted_whole(hold, contact) ||
         any_lift(hold, contact, [&](const policy::Lift& lift) { return lift.scope == scope; });
}

bool repeats(const PlaceHold& change, const policy::Hold& hold, const policy::Contact& contact) {
  return hold.kind == change.kind && hold.scope == change.scope && hold.until == change.until &&
         hold.id == policy::hold_id(hold.event) && !touched(hold, contact);
}

bool over(const policy::Hold& hold, Time now) { return hold.until && *hold.until <= now; }

bool intersect(const Scope& a, const Scope& b) {
  return a.kind != Scope::Kind::stream || b.kind != Scope::Kind::stream || a.stream == b.stream;
}

std::optional<policy::Hold> foremost(const policy::Contact& contact, const Scope& scope, Time now) {
  const policy::Hold* found = nullptr;
  for (const policy::Hold& hold : contact.holds) {
    if (over(hold, now) || !intersect(hold.scope, scope) || lifted_for(hold, contact, scope))
      continue;
    if (found == nullptr || order(hold) < order(*found)) found = &hold;
  }
  if (found == nullptr) return std::nullopt;
  return *found;
}

bool graver(const policy::Hold& a, const policy::Hold& b) { return order(a) < order(b); }

Known find_known(const policy::Contact& contact, std::span<const policy::HoldId> known_as) {
  Known known{.hold = nullptr, .id = {}};
  for (const policy::HoldId& name : known_as) {
    for (std::uint32_t times = 0;; ++times) {
      const policy::HoldId id = policy::again(name, times);
      const auto place = std::ranges::find(contact.holds, id, &policy::Hold::id);
      if (place == contact.holds.end()) {
        if (&name == known_as.data()) known.id = id;
        break;
      }
      if (!undone(*place, contact)) return {.hold = &*place, .id = id};
    }
  }
  return known;
}

}  // namespace postern::store
