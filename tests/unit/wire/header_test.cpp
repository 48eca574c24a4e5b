#include "proxy/wire/header.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using postern::wire::begins_folded;
using postern::wire::count_fields;
using postern::wire::field_body;
using postern::wire::header_end;

TEST_CASE("where the header section ends") {
  constexpr std::size_t none = std::string_view::npos;
  struct Case {
    std::string_view octets;
    std::size_t want;
    std::string_view why;
  };
  const std::vector<Case> cases{
      {"", none, ""},
      {"A: b", none, ""},
      {"A: b\r\n", none, ""},
      {"A: b\r\n\r", none, ""},
      {"A: b\r\n\r\n", 8, ""},
      {"A: b\r\n\r\nbody\r\n\r\n", 8, "the first blank line"},
      {"\r\n", 2, "an empty section"},
      {"\r\nbody\r\n\r\n", 2, "an empty section"},
      {"\r", none, ""},
      {"A: b\r\n c\r\n\r\n", 12, "folded"},
      {"A: b\r\n \r\n\r\n", 11, "a line of blanks is a continuation"},
      {"A: b\n\nbody\r\n", none, "bare LF ends no line"},
      {"A: b\r\n..\r\n", 6, "a stuffed dot is a line of the body"},
      {"A: b\r\n.\r\n", 6, "the end of data, without a blank line"},
      {"A: b\r\nHello there\r\n", 6, "no field, no continuation: the body"},
      {"Hello there\r\nA: b\r\n\r\n", 0, "no field at all"},
      {" folded\r\nA: b\r\n\r\n", 17, "a continuation of nothing"},
  };
  for (const auto& [octets, want, why] : cases) {
    CAPTURE(octets);
    CAPTURE(why);
    CHECK(header_end(octets, 0) == want);
    // The same as the octets arrive, looking on from where looking stopped.
    for (std::size_t step = 1; step <= octets.size(); ++step) {
      std::size_t seen = 0;
      std::size_t found = none;
      while (found == none && seen < octets.size()) {
        const std::size_t now = std::min(octets.size(), seen + step);
        found = header_end(octets.substr(0, now), seen);
        seen = now;
      }
      CAPTURE(step);
      CHECK(found == want);
    }
  }
}

TEST_CASE("fields are counted by name") {
  struct Case {
    std::string_view section;
    std::size_t want;
    std::string_view why;
  };
  const std::vector<Case> cases{
      {"", 0, ""},
      {"\r\n", 0, ""},
      {"Received: a\r\n\r\n", 1, ""},
      {"Received: a\r\nRECEIVED: b\r\nreceived:\r\n\r\n", 3, "no case"},
      {"Received : a\r\nReceived \t: b\r\n\r\n", 2, "obsolete: blanks before the colon"},
      {"Received: a\r\n Received: b\r\n\tReceived: c\r\n\r\n", 1, "continuations are no fields"},
      {" folded\r\nReceived: a\r\n\r\n", 1, "a continuation of nothing"},
      {"X-Received: a\r\nReceivedX: b\r\nReceived-SPF: c\r\n\r\n", 0, "other names"},
      {"Receive: a\r\n\r\n", 0, ""},
      {": a\r\nReceived: b\r\n\r\n", 0, "a line without a name is neither"},
      {"Received: a\r\nHello there\r\nReceived: b\r\n\r\n", 1, "what is no field ends the section"},
      {"Received: a\r\n\r\nReceived: b\r\n", 1, "the body is not looked at"},
      {"From me Mon Jan 1\r\nReceived: a\r\n\r\n", 0, "no field, no continuation"},
      {".Received: a\r\n\r\n", 1, "readers drop the first dot of a line"},
      {"..Received: a\r\n\r\n", 0, "a field whose name begins with a dot"},
      {"Received: a\r\n. folded\r\nReceived: b\r\n\r\n", 2, "a continuation behind a dot"},
      {"Received: a", 1, "no CRLF yet"},
      {"Received", 0, ""},
      {"R\xc3\xa9: a\r\nReceived: b\r\n\r\n", 0, "no name of RFC 5322"},
  };
  for (const auto& [section, want, why] : cases) {
    CAPTURE(section);
    CAPTURE(why);
    CHECK(count_fields(section, "Received") == want);
  }
  CHECK(count_fields("A: 1\r\n.B: 2\r\n..C: 3\r\n\r\n", ".C") == 1);

  std::string many;
  for (int i = 0; i < 20'000; ++i) many += "Received: x\r\n\tby y\r\n";
  CHECK(count_fields(many, "Received") == 20'000);
}

TEST_CASE("the body of a field: unfolded, trimmed, cut") {
  struct Case {
    std::string_view section;
    std::string_view want;
    std::string_view why;
  };
  const std::vector<Case> cases{
      {"", "", ""},
      {"A: b\r\n\r\n", "", "no such field"},
      {"X-Id: spring\r\n\r\n", "spring", ""},
      {"x-iD : \t spring \t\r\n\r\n", "spring", "no case, blanks"},
      {"A: b\r\nX-Id: one\r\nX-Id: two\r\n\r\n", "one", "the first of them"},
      {"X-Id:\r\nX-Id: two\r\n\r\n", "", "the first, though it is empty"},
      {"X-Id: spring\r\n sale\r\n\t2026\r\nA: b\r\n\r\n", "spring sale\t2026", "folded"},
      {"X-Id:\r\n \r\n  spring\r\n  \r\n\r\n", "spring", "folded in front and behind"},
      {"A: b\r\n X-Id: c\r\nX-Id: d\r\n\r\n", "d", "a continuation is no field"},
      {".X-Id: a\r\n. b\r\n\r\n", "a b", "dots that were put there for the way"},
      {"A: b\r\n\r\nX-Id: c\r\n", "", "the body is not looked at"},
      {"A: b\r\nHello\r\nX-Id: c\r\n", "", "what is no field ends the section"},
      {"X-Id: a:b:c\r\n\r\n", "a:b:c", ""},
      {"X-Id: =?utf-8?q?=C3=BC?=\r\n\r\n", "=?utf-8?q?=C3=BC?=", "as it stands"},
      {"X-Id: 0123456789012345678x\r\n\r\n", "0123456789012345678x", "20 octets"},
      {"X-Id: 0123456789012345678xy\r\n\r\n", "0123456789012345678x", "cut"},
      {"X-Id: 0123456789\r\n 01234567890\r\n\r\n", "0123456789 012345678", "cut when unfolded"},
      {"X-Id: 012345678901234567  x\r\n\r\n", "012345678901234567", "cut, and trimmed"},
      {"X-Id: 0123456789012345678\xc3\xbc\r\n\r\n", "0123456789012345678",
       "no half of a character"},
      {"X-Id: 012345678901234567\xc3\xbcx\r\n\r\n", "012345678901234567\xc3\xbc", "a whole one"},
      {"X-Id: spring", "spring", "no CRLF yet"},
  };
  for (const auto& [section, want, why] : cases) {
    CAPTURE(section);
    CAPTURE(why);
    CHECK(field_body(section, "X-Id", 20) == want);
  }

  std::string blanks = "X-Id:\r\n";
  for (int i = 0; i < 300'000; ++i) blanks += " \r\n";
  CHECK(field_body(blanks + " end\r\n\r\n", "X-Id", 20) == "end");
}

TEST_CASE("a first line that would be folded into the line before it") {
  CHECK(begins_folded(" a\r\n\r\n"));
  CHECK(begins_folded("\ta\r\n\r\n"));
  CHECK(begins_folded(". a\r\n\r\n"));
  CHECK_FALSE(begins_folded("A: b\r\n\r\n"));
  CHECK_FALSE(begins_folded(".. a\r\n\r\n"));
  CHECK_FALSE(begins_folded("\r\n"));
  CHECK_FALSE(begins_folded(""));
}
