// Character sets to UTF-8, through the C library's iconv, by a list of our own: a name from outside
// never reaches it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::return_mail {

// As UTF-8; U+FFFD for what is no character.
void append_code_point(std::string& out, std::uint32_t code);

[[nodiscard]] bool is_utf8(std::string_view octets);

// `name` in any of its spellings. Octets that are not of the set become U+FFFD where `lenient`, and
// nothing at all otherwise. None: an unknown set.
[[nodiscard]] std::optional<std::string> convert(std::string_view octets, std::string_view name,
                                                 bool lenient);

}  // namespace postern::return_mail
