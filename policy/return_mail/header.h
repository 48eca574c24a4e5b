// A header section as return mail has it: RFC 5322 section 2.2, read leniently. Line ends are LF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postern::return_mail {

inline constexpr std::size_t max_fields = 1000;  // of a section; those behind are not looked at

struct Field {
  std::string_view name;
  std::string_view value;  // folded as it stands, without the last line end
  [[nodiscard]] std::string unfolded() const;
};

// Views into the text that it was parsed from.
struct Header {
  std::string_view text;  // the section as it stands
  std::vector<Field> fields;
  [[nodiscard]] const Field* find(std::string_view name) const;  // the first; null: none
  [[nodiscard]] std::string value(std::string_view name) const;  // unfolded; empty: none
};

struct Message {
  Header header;
  std::string_view body;
};

// Header section and body. Blank lines and an mbox's "From " line in front are passed over; a
// section that a line ends which is no field is followed by a body that begins with that line.
[[nodiscard]] Message parse_message(std::string_view text);

// "Name: ..." at the beginning of `line`; the name, or empty.
[[nodiscard]] std::string_view field_name(std::string_view line);
// The first line of `text`, which is taken off with its line end.
[[nodiscard]] std::string_view take_line(std::string_view& text);
// Without line ends and the blanks behind them.
[[nodiscard]] std::string unfold(std::string_view value);

}  // namespace postern::return_mail
