// The header section of a message as it flows, still dot-stuffed. RFC 5322 section 2.2. Only looks;
// edits nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::wire {

// Where the header section ends: just behind its blank line, or in front of the first line that is
// neither a field nor the continuation of one (the body of a message without a blank line); npos
// while neither is there. Octets before `from` were looked at without an end.
[[nodiscard]] std::size_t header_end(std::string_view octets, std::size_t from);

// How many fields are named `name` (case-insensitive, blanks before the colon allowed: obsolete
// syntax, section 4.5). Folded continuations are not fields; looking stops at the first line that
// is neither.
[[nodiscard]] std::size_t count_fields(std::string_view header_section, std::string_view name);

// The body of the first field of that name, as count_fields() finds it: unfolded (section 2.2.3),
// without blanks at either end, at most `limit` octets of it and no UTF-8 character cut. Encoded
// words stay as they are. Empty where there is no such field.
[[nodiscard]] std::string field_body(std::string_view header_section, std::string_view name,
                                     std::size_t limit);

// The first line is a continuation (begins with a blank or tab): it would be folded into whatever
// is put before it.
[[nodiscard]] bool begins_folded(std::string_view header_section);

}  // namespace postern::wire
