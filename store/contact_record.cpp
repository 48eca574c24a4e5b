#include "store/contact_record.h"

#include "store/keys.h"

#include <algorithm>
#include <functional>

namespace postern::store {
namespace {

constexpr std::uint8_t version = 2;

// The least that one of each takes: what bounds a count.
constexpr std::size_t scope_width = 1 + 4;
constexpr std::size_t hold_width = 16 + 1 + scope_width + 8 + 1 + 16;
constexpr std::size_t lift_width = 16 + scope_width + 1;
constexpr std::size_t consent_width = scope_width + 8 + 16;

void encode(const policy::EventId& id, OctetWriter& out) {
  out.u64(id.origin);
  out.u64(id.sequence);
}

void decode(OctetReader& in, policy::EventId& id) {
  id.origin = in.u64();
  id.sequence = in.u64();
}

void decode(OctetReader& in, policy::Hold& hold) {
  in.raw(hold.id.octets);
  decode(in, hold.kind);
  decode(in, hold.scope);
  hold.date = decode_time(in);
  decode(in, hold.until);
  decode(in, hold.event);
}

void decode(OctetReader& in, policy::Lift& lift) {
  in.raw(lift.hold.octets);
  decode(in, lift.scope);
  lift.undo = in.flag();
}

void decode(OctetReader& in, policy::Consent& consent) {
  decode(in, consent.scope);
  consent.date = decode_time(in);
  decode(in, consent.event);
}

template <class T>
void decode_all(OctetReader& in, std::size_t width, std::vector<T>& into) {
  into.resize(in.count(width));
  for (T& one : into) decode(in, one);
}

// Lookups in a contact go by its order.
bool in_order(const policy::Contact& contact) {
  const auto ascending = [](const auto& values, auto by) {
    return std::ranges::adjacent_find(values, std::ranges::greater_equal{}, by) == values.end();
  };
  return ascending(contact.holds, &policy::Hold::id) && ascending(contact.lifts, std::identity{}) &&
         ascending(contact.consents, std::identity{});
}

}  // namespace

void encode(const policy::Scope& scope, OctetWriter& out) {
  out.u8(static_cast<std::uint8_t>(scope.kind));
  out.text(scope.stream);
}

void decode(OctetReader& in, policy::Scope& scope) {
  const std::uint8_t kind = in.u8();
  if (kind <= static_cast<std::uint8_t>(policy::Scope::Kind::stream)) {
    scope.kind = static_cast<policy::Scope::Kind>(kind);
  } else {
    in.fail();
  }
  scope.stream = in.text(policy::max_stream_name);
}

void encode(const std::optional<Time>& time, OctetWriter& out) {
  out.u8(time ? 1 : 0);
  if (time) encode(*time, out);
}

void decode(OctetReader& in, std::optional<Time>& time) {
  const std::uint8_t present = in.u8();
  if (present > 1) in.fail();
  time.reset();
  if (present == 1) time = decode_time(in);
}

void decode(OctetReader& in, policy::HoldKind& kind) {
  const std::uint8_t number = in.u8();
  if (number >= static_cast<std::uint8_t>(policy::HoldKind::unsubscribed) &&
      number <= static_cast<std::uint8_t>(policy::HoldKind::blocked)) {
    kind = static_cast<policy::HoldKind>(number);
  } else {
    in.fail();
  }
}

void encode(const policy::Contact& contact, OctetWriter& out) {
  out.u8(version);
  out.u32(static_cast<std::uint32_t>(contact.holds.size()));
  for (const policy::Hold& hold : contact.holds) {
    out.raw(hold.id.octets);
    out.u8(static_cast<std::uint8_t>(hold.kind));
    encode(hold.scope, out);
    encode(hold.date, out);
    encode(hold.until, out);
    encode(hold.event, out);
  }
  out.u32(static_cast<std::uint32_t>(contact.lifts.size()));
  for (const policy::Lift& lift : contact.lifts) {
    out.raw(lift.hold.octets);
    encode(lift.scope, out);
    out.u8(lift.undo ? 1 : 0);
  }
  out.u32(static_cast<std::uint32_t>(contact.consents.size()));
  for (const policy::Consent& consent : contact.consents) {
    encode(consent.scope, out);
    encode(consent.date, out);
    encode(consent.event, out);
  }
}

bool decode(Octets record, policy::Contact& contact) {
  OctetReader in(record);
  if (in.u8() != version) return false;
  decode_all(in, hold_width, contact.holds);
  decode_all(in, lift_width, contact.lifts);
  decode_all(in, consent_width, contact.consents);
  return in.finished() && in_order(contact);
}

}  // namespace postern::store
