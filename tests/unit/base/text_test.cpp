#include "base/text.h"

#include <array>
#include <string>

#include <doctest/doctest.h>

using namespace postern;
using namespace std::string_literals;

TEST_CASE("text: trim takes blanks from the ends alone") {
  struct Case {
    std::string_view input, want;
  };
  for (const auto& [input, want] : {Case{"", ""}, Case{" \t\r\n", ""}, Case{"a", "a"},
                                    Case{"  a b \r\n", "a b"}, Case{"\ta", "a"}}) {
    CAPTURE(input);
    CHECK(trim(input) == want);
  }
}

TEST_CASE("text: case is that of ASCII, whatever the locale") {
  CHECK(to_lower("AbZ[@`{\xc4") == "abz[@`{\xc4");
  CHECK(equal_nocase("MAIL from", "mail FROM"));
  CHECK_FALSE(equal_nocase("mail", "mai"));
  CHECK_FALSE(equal_nocase("[", "{"));
  CHECK(is_ascii("a\x7f"));
  CHECK_FALSE(is_ascii("a\x80"));
}

TEST_CASE("text: printable is one line that cannot be mistaken for another") {
  struct Case {
    std::string input;
    std::size_t limit;
    std::string want;
    std::string_view why;
  };
  for (const auto& [input, limit, want, why] :
       {Case{"plain text", 200, "plain text", "nothing to do"},
        Case{"a\r\nb", 200, "a\\x0d\\x0ab", "no second line in the log"},
        Case{"\0\x1b\x7f\xff"s, 200, "\\x00\\x1b\\x7f\\xff", "controls and 8-bit octets"},
        Case{"0123456789", 10, "0123456789", "exactly the limit"},
        Case{"0123456789a", 10, "0123456...", "cut"},
        Case{"01234\n6789a", 10, "01234...", "never within an escape"},
        Case{"abcdef", 2, "ab", "no room for the ellipsis"}, Case{"abc", 0, "", "nothing"}}) {
    CAPTURE(why);
    CHECK(printable(input, limit) == want);
    CHECK(printable(input, limit).size() <= limit);
  }
  CHECK(printable(std::string(1000, '\n')).size() <= 200);
}

TEST_CASE("text: hexadecimal, lower case") {
  const std::array<std::uint8_t, 4> octets{0x00, 0x0f, 0xa0, 0xff};
  CHECK(to_hex(octets) == "000fa0ff");
  CHECK(to_hex({}).empty());
}
