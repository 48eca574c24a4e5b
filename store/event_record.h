// The record of an event, as it lies under its id: facts only. Its personal text is a side record
// of its own. Octets: a version, the contact's key, when it happened and was recorded, its source,
// who did it, its import, the facts behind their tag.
#pragma once

#include "policy/contact.h"
#include "store/keys.h"
#include "store/octets.h"

#include <string>

namespace postern::store {

inline constexpr std::size_t max_source = 255;  // octets that are kept of an event's source
inline constexpr std::size_t max_by = 100;      // of who did it
inline constexpr std::size_t max_note = 1000;   // and of its personal text

struct EventRecord {
  ContactKey contact{};
  Time happened;
  Time recorded;
  std::string source;        // empty where it is its import's
  std::string by;            // the operator and the command; empty where it is its import's
  std::uint64_t import = 0;  // number of the import that brought it; 0: none
  policy::Facts facts;
};

// As it lies in events, and in rows that wait to be imported.
void encode(const policy::ReturnEvidence& evidence, OctetWriter& out);
void decode(OctetReader& in, policy::ReturnEvidence& evidence);

// Appends to `out`.
void encode(const EventRecord& record, OctetWriter& out);
// False where it is no such record.
[[nodiscard]] bool decode(Octets octets, EventRecord& record);

}  // namespace postern::store
