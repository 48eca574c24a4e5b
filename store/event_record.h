// The record of an event, as it lies under its id: facts only. Its personal text is a side record
// of its own. Octets: a version, the contact's key, when it happened and was recorded, its source,
// the facts behind their tag.
#pragma once

#include "policy/contact.h"
#include "store/keys.h"
#include "store/octets.h"

#include <string>

namespace postern::store {

inline constexpr std::size_t max_source = 255;  // octets that are kept of an event's source
inline constexpr std::size_t max_note = 1000;   // and of its personal text

struct EventRecord {
  ContactKey contact{};
  Time happened;
  Time recorded;
  std::string source;
  policy::Facts facts;
};

// Appends to `out`.
void encode(const EventRecord& record, OctetWriter& out);
// False where it is no such record.
[[nodiscard]] bool decode(Octets octets, EventRecord& record);

}  // namespace postern::store
