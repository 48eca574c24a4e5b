#include "cli/output.h"

#include <iostream>
#include <sstream>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::cli;
using policy::HoldKind;
using policy::Scope;

TEST_CASE("output: free text is one line and no escape sequence") {
  struct Case {
    std::string_view input, want;
  };
  for (const auto& [input, want] :
       {Case{"asked by phone", "asked by phone"}, Case{"a\nb\r\x1b[31mc\x7f", "a b  [31mc "},
        Case{"Jos\xc3\xa9", "Jos\xc3\xa9"},
        Case{"a\xc2\x9b"
             "31m",
             "a  31m"},
        Case{"\xc2\xa0", "\xc2\xa0"}, Case{"\xc2", "\xc2"}, Case{"", ""}}) {
    CHECK(one_line(input) == want);
  }
}

TEST_CASE("output: a hold tells kind, date, end and scope") {
  policy::Hold hold;
  hold.date = *parse_time("2026-03-01T12:00:00Z");
  hold.scope = {Scope::Kind::marketing, {}};
  CHECK(describe(hold) == "unsubscribed since 2026-03-01 from every marketing stream");
  hold.scope = {Scope::Kind::stream, "news"};
  CHECK(describe(hold) == "unsubscribed since 2026-03-01 from stream news");
  hold.kind = HoldKind::blocked;
  hold.scope = {};
  hold.until = *parse_time("2026-05-01");
  CHECK(describe(hold) == "blocked since 2026-03-01 until 2026-05-01T00:00:00Z");
}

TEST_CASE("output: source and note, where there are any") {
  CHECK(in_brackets("", "").empty());
  CHECK(in_brackets("cli", "") == " (cli)");
  CHECK(in_brackets("", "by phone") == " (by phone)");
  CHECK(in_brackets("cli", "by\nphone") == " (cli: by phone)");
}

TEST_CASE("output: the exit status of an error is that of its code") {
  std::ostringstream err;
  auto* const old = std::cerr.rdbuf(err.rdbuf());
  const int invalid = complain({Errc::invalid, "no address"});
  int others = 0;
  for (const auto code : {Errc::not_found, Errc::version, Errc::busy, Errc::full, Errc::io}) {
    others += complain({code, "the store"}) == 3 ? 1 : 0;
  }
  std::cerr.rdbuf(old);
  CHECK(invalid == 2);
  CHECK(others == 5);
  CHECK(err.str().starts_with("postern: no address\npostern: the store\n"));
}
