// A cell or line that names a contact, as people and tools write one.
#pragma once

#include "base/result.h"
#include "policy/address.h"

#include <string_view>

namespace postern::rows {

// What policy::parse_contact() takes, domain patterns included; "Name <a@b>",
// "mailto:a@b?subject=x", quotes around the whole, a comma or semicolon behind it; or a digest: 32,
// 40 or 64 hex digits, which are kept lower case. Errc::invalid says what is wrong and what to
// write.
[[nodiscard]] Result<policy::CanonicalAddress> read_address(std::string_view text);

}  // namespace postern::rows
