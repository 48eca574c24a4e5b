#include "store/rows/address_field.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::rows;

namespace {

std::string read(std::string_view text) {
  const auto address = read_address(text);
  return address ? address->text : "! " + address.error().text;
}

}  // namespace

TEST_CASE("addresses as people write them") {
  struct Case {
    std::string_view input, want, why;
  };
  const Case cases[] = {
      {"a@x.example", "a@x.example", "as it is"},
      {"  A@X.Example\t", "a@x.example", "blanks around, case"},
      {"<a@x.example>", "a@x.example", "brackets"},
      {"Ann Lee <a@x.example>", "a@x.example", "a name"},
      {"\"Lee, Ann\" <a@x.example>", "a@x.example", "a name in quotes"},
      {"Lee, Ann <a@x.example>", "a@x.example", "a name that should be in quotes"},
      {"a@x.example <a@x.example>", "a@x.example", "an address for a name"},
      {"mailto:a@x.example", "a@x.example", "RFC 6068"},
      {"MAILTO:a%2Bb@x.example?subject=a@b", "a+b@x.example", "its escapes and query"},
      {"<mailto:a@x.example>", "a@x.example", "both"},
      {"'a@x.example'", "a@x.example", "as Outlook has it"},
      {"\"a@x.example\"", "a@x.example", "quotes around the whole"},
      {"\"q q\"@x.example", "\"q q\"@x.example", "quotes that are the address's own"},
      {"a@x.example;", "a@x.example", "cut from a list"},
      {"a@x.example, ", "a@x.example", "cut from a list"},
      {"\xC2\xA0"
       "a@x.example\xE2\x80\x8B",
       "a@x.example", "blanks that are not seen"},
      {"a@m\xC3\xBCnchen.example", "a@xn--mnchen-3ya.example", "an international domain"},
      {"m\xC3\xBCller@x.example", "m\xC3\xBCller@x.example", "an international mailbox"},
      {"@x.example", "@x.example", "a domain"},
      {"@.X.example", "@.x.example", "its subdomains"},
      {"D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427e", "an MD5"},
      {"da39a3ee5e6b4b0d3255bfef95601890afd80709", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
       "a SHA-1"},
  };
  for (const auto& [input, want, why] : cases) {
    CAPTURE(why);
    CHECK(read(input) == want);
  }
}

TEST_CASE("what is no address says so, and what to write") {
  CHECK(read("x.example") ==
        "! \"x.example\" is no address: write @x.example for the whole domain");
  CHECK(read("a\xEF\xBF\xBD@x.example").contains("octets that are no character"));
  for (const std::string_view input : {"",
                                       " ",
                                       "nonsense",
                                       "a@",
                                       "@",
                                       "a@x..example",
                                       "a b@x.example",
                                       "a@x.example b@x.example",
                                       "a@x.example; b@x.example",
                                       "a@x.example,b@x.example",
                                       "<>",
                                       "<a@x.example",
                                       "a@x.example>",
                                       "mailto:",
                                       "mailto:?subject=a@x.example",
                                       "Name <>",
                                       "''",
                                       "\"",
                                       "d41d8cd98f00b204",
                                       ";",
                                       "d41d8cd98f00b204e9800998ecf8427g"}) {
    CAPTURE(input);
    CHECK(read(input).starts_with("! "));
    CHECK(read(input).size() > 10);
  }
}
