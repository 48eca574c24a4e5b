// Small operations on ASCII text and octets that every part needs; nothing of the locale.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern {

[[nodiscard]] constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] std::string to_upper(std::string_view text);
[[nodiscard]] bool equal_nocase(std::string_view a, std::string_view b);
[[nodiscard]] bool contains_nocase(std::string_view text, std::string_view part);
// Without blanks, tabs, CR and LF at either end.
[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] bool is_ascii(std::string_view text);
// Of ASCII's: NUL, CR, LF and tab are some of them.
[[nodiscard]] bool has_control(std::string_view text);
// Nothing but printable ASCII and blanks.
[[nodiscard]] bool is_plain(std::string_view text);
// What a peer sent, fit for one line of a log or a reply: controls and octets above 126 as \xNN,
// cut to `limit`.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 200);
[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> octets);

}  // namespace postern
