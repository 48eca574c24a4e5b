// The fields of a header section, one after the other: the one walk that everything that looks into
// a header section uses. Still dot-stuffed; obsolete syntax is taken. RFC 5322 sections 2.2
// and 4.5.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postern::wire {

// Octets of a section: from `begin` to in front of `end`.
struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
  friend bool operator==(const Range&, const Range&) = default;
};

struct Field {
  std::string_view name;    // as it is spelled, without the blanks in front of the colon
  Range octets;             // whole lines: the name's and those that continue it, with their CRLFs
  std::string_view folded;  // what is behind the colon, without the last CRLF: for unfolded()
};

// Goes over the fields in order and stops at the first line that neither is one nor continues one.
// Lines that continue nothing are skipped. One pass, whatever the section holds; what is given
// views the section.
class FieldWalk {
 public:
  explicit FieldWalk(std::string_view header_section) : section_(header_section) {}
  [[nodiscard]] std::optional<Field> next();

 private:
  [[nodiscard]] std::string_view take_line();

  std::string_view section_;
  std::size_t at_ = 0;
};

// A field's body on one line (section 2.2.3), without blanks at either end, at most `limit` octets
// of it and no UTF-8 character cut. Comments and encoded words stay as they are.
[[nodiscard]] std::string unfolded(std::string_view folded, std::size_t limit);

// The name of the field that the line begins; empty where it begins none. `line` without its CRLF.
[[nodiscard]] std::string_view field_name(std::string_view line);

// The text begins with a line that continues the one before it: with a blank or a tab.
[[nodiscard]] bool continues_field(std::string_view text);

// This octet of UTF-8 is not the first of its character.
[[nodiscard]] constexpr bool is_inside_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80;
}

}  // namespace postern::wire
