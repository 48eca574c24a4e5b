#include "proxy/wire/fields.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using postern::wire::FieldWalk;
using postern::wire::unfolded;

TEST_CASE("fields: each with its whole lines, in order") {
  struct Found {
    std::string_view name;
    std::string_view lines;
    std::string body;
  };
  struct Case {
    std::string_view section;
    std::vector<Found> want;
    std::string_view why;
  };
  const std::vector<Case> cases{
      {"", {}, ""},
      {"\r\n", {}, "an empty section"},
      {"A: b\r\nC: d\r\n\r\n", {{"A", "A: b\r\n", "b"}, {"C", "C: d\r\n", "d"}}, ""},
      {"A : b\r\n c\r\n\td\r\nE:\r\n\r\n",
       {{"A", "A : b\r\n c\r\n\td\r\n", "b c\td"}, {"E", "E:\r\n", ""}},
       "folded; blanks before the colon; empty"},
      {" x\r\nA: b\r\n\r\n", {{"A", "A: b\r\n", "b"}}, "a continuation of nothing"},
      {".A: b\r\n. c\r\n..D:e\r\n\r\n",
       {{"A", ".A: b\r\n. c\r\n", "b c"}, {".D", "..D:e\r\n", "e"}},
       "dots that were put there for the way belong to the line"},
      {"A:.b\r\n\r\n", {{"A", "A:.b\r\n", ".b"}}, "a dot of the body's own"},
      {"A: b\r\nHello\r\nC: d\r\n", {{"A", "A: b\r\n", "b"}}, "what is no field ends the section"},
      {"A: b\r\n\r\nC: d\r\n", {{"A", "A: b\r\n", "b"}}, "the body is not looked at"},
      {"A: b\r\n c", {{"A", "A: b\r\n c", "b c"}}, "no CRLF yet"},
      {"A:", {{"A", "A:", ""}}, ""},
  };
  for (const auto& [section, want, why] : cases) {
    CAPTURE(section);
    CAPTURE(why);
    FieldWalk walk(section);
    for (const auto& one : want) {
      const auto field = walk.next();
      REQUIRE(field);
      CHECK(field->name == one.name);
      CHECK(section.substr(field->octets.begin, field->octets.end - field->octets.begin) ==
            one.lines);
      CHECK(unfolded(field->folded, 100) == one.body);
    }
    CHECK_FALSE(walk.next());
    CHECK_FALSE(walk.next());
  }
}
