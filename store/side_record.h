// The personal side of an event, as it lies under its id: the note, and what return mail says
// besides. Octets: the note alone, as it is; where there is more, a NUL (which no note holds), a
// version, then note and fields.
#pragma once

#include "store/change.h"
#include "store/octets.h"

#include <string>
#include <string_view>

namespace postern::store {

inline constexpr std::size_t max_host = 255;        // octets that are kept of an MTA's name
inline constexpr std::size_t max_message_id = 255;  // and of a Message-ID

struct SideRecord {
  std::string note;
  MailDetails mail;
  [[nodiscard]] bool empty() const { return note.empty() && mail.empty(); }
};

// Cut to what is kept of each.
[[nodiscard]] SideRecord kept(std::string_view note, const MailDetails& mail);
// Appends to `out`; of a record that kept() made.
void encode(const SideRecord& record, OctetWriter& out);
// False where it is no such record.
[[nodiscard]] bool decode(Octets octets, SideRecord& record);

}  // namespace postern::store
