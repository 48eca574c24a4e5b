// An address as the page shows it: its owner knows it again, and nobody else learns it.
#pragma once

#include "policy/address.h"

#include <string>

namespace postern::web {

// "m•••@e•••.fr": the first character of the local part and of the domain, and the top-level
// domain. However long they are: a mask tells no lengths.
[[nodiscard]] std::string masked(const policy::CanonicalAddress& address);

}  // namespace postern::web
