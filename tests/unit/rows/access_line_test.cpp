#include "store/rows/access_line.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::rows;

namespace {

std::string read(std::string_view line) {
  const auto rows = read_access_line(line);
  if (!rows) return "! " + rows.error().text;
  std::string out;
  for (const Row& row : *rows) {
    out += row.address.text;
    for (const Statement& said : row.statements) {
      out +=
          " " + std::string(to_string(said.status.value_or(Status::subscribed))) + " " + said.note;
    }
    out += "|";
  }
  return out;
}

}  // namespace

TEST_CASE("lines of an access map") {
  struct Case {
    std::string_view input, want, why;
  };
  const Case cases[] = {
      {"a@x.example REJECT", "a@x.example blocked |", "a mailbox"},
      {"A@X.example\treject  5.7.1 left in 2020 ", "a@x.example blocked 5.7.1 left in 2020|",
       "case, blanks, a text"},
      {"x.example REJECT", "@x.example blocked |@.x.example blocked |",
       "a domain with its subdomains, as Postfix has it by default"},
      {".x.example REJECT", "@.x.example blocked |", "subdomains alone"},
      {"a@x.example 554 no", "a@x.example blocked no|", "a reply"},
      {"a@x.example DISCARD", "a@x.example blocked |", "taken and dropped"},
      {"a@x.example OK", "a@x.example|", "let through"},
      {"a@x.example DUNNO", "a@x.example|", "no opinion"},
      {"a@x.example 450 later", "a@x.example|", "refused for now"},
      {"postmaster@ OK", "", "not about a contact, and nobody is suppressed"},
      {"192.0.2.1 DUNNO", "", "the same"},
      {"a@x.example FILTER smtp:[127.0.0.1]", "a@x.example|", "sent elsewhere"},
      {"\"q q\"@x.example REJECT", "! \"@x.example\" is no action of an access map: REJECT blocks",
       "a key with blanks is in no map"},
  };
  for (const auto& [input, want, why] : cases) {
    CAPTURE(why);
    CHECK(read(input) == want);
  }
  for (const std::string_view bad : {"a@x.example", "a@x.example SOMETHING", "user@ REJECT",
                                     "192.0.2.1 REJECT", "<> REJECT", "a@x..example REJECT"}) {
    CAPTURE(bad);
    CHECK(read(bad).starts_with("! "));
  }
}

TEST_CASE("a map is known by its first line") {
  CHECK(is_access_line("a@x.example REJECT"));
  CHECK(is_access_line("x.example\t550 gone"));
  CHECK_FALSE(is_access_line("a@x.example"));
  CHECK_FALSE(is_access_line("a@x.example, REJECT"));
  CHECK_FALSE(is_access_line("email status"));
}

TEST_CASE("a line goes on where the next begins with blanks") {
  CHECK(access_line_size("a\nb\n") == 2);
  CHECK(access_line_size("a\n b\n\tc\nd") == 8);
  CHECK(access_line_size("a\n b") == 4);
  CHECK(access_line_size("a") == 1);
}
