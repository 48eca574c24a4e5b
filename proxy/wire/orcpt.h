// The ORCPT parameter of a recipient that came without one (RFC 3461 sections 4.2 and 5.2.1; RFC
// 6533 section 3): bounces then name the recipient as the sender knew it.
#pragma once

#include "policy/address.h"

#include <string>

namespace postern::wire {

// "rfc822;" and the address as xtext; with `utf8`, where it is not ASCII, "utf-8;" and its form of
// ASCII characters. Empty where it would be longer than a parameter may be.
[[nodiscard]] std::string original_recipient(const policy::Mailbox& recipient, bool utf8);

}  // namespace postern::wire
