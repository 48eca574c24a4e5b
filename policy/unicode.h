// Unicode as addresses need it: checked UTF-8, NFC, case folding. What is ASCII is answered without
// libunistring.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::policy {

// The character in front of `text` (which is not empty). What is no UTF-8 is one octet, not valid.
struct Character {
  char32_t value = 0;
  std::size_t size = 1;  // octets
  bool valid = false;
};
[[nodiscard]] Character first_character(std::string_view text);

// C0, DEL and C1, and the two separators that end a line without being controls.
[[nodiscard]] bool ends_or_controls_line(char32_t character);

// Why `text` can be no part of an address, however quoted: not UTF-8, or a control character. Empty
// where it can.
[[nodiscard]] std::string_view unfit_for_address(std::string_view text);

// Both take valid UTF-8. Out of memory is std::bad_alloc, as everywhere.
[[nodiscard]] std::string to_nfc(std::string_view utf8);
// Full case folding in no language's manner, then NFC; folding the result again changes nothing.
// Takes NFC.
[[nodiscard]] std::string case_folded(std::string_view utf8);

}  // namespace postern::policy
