// A line of a Postfix access map, access(5): a pattern, and what is done with it.
#pragma once

#include "base/result.h"
#include "store/rows/row.h"

#include <cstddef>
#include <string_view>
#include <vector>

namespace postern::rows {

// "user@domain REJECT why": whether a file that begins so is such a map.
[[nodiscard]] bool is_access_line(std::string_view line);

// The octets of the first logical line: a line that begins with blanks continues the one before.
[[nodiscard]] std::size_t access_line_size(std::string_view text);

// REJECT, DISCARD and 5xx block; OK, DUNNO, 4xx and the like suppress nobody. "domain" is that
// domain and, as Postfix has it by default, its subdomains: two rows. A pattern that
// is neither (an IP address, "user@") and suppresses nobody is no row. Errc::invalid: a pattern
// that is neither mailbox nor domain, an action that is none.
[[nodiscard]] Result<std::vector<Row>> read_access_line(std::string_view line);

}  // namespace postern::rows
