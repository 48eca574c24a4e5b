#include "proxy/wire/data.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace std::string_literals;
using postern::wire::DataScanner;
using Fault = DataScanner::Fault;

namespace {

struct Outcome {
  std::size_t consumed = 0;
  std::string forwarded;
  bool finished = false;
  Fault fault = Fault::none;
};

bool holds_bare(std::string_view octets) {
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (octets[i] == '\0') return true;
    if (octets[i] == '\r' && (i + 1 == octets.size() || octets[i + 1] != '\n')) return true;
    if (octets[i] == '\n' && (i == 0 || octets[i - 1] != '\r')) return true;
  }
  return false;
}

// The input in pieces, as a session hands them over: nothing after the end.
Outcome scan(std::string_view input, const std::vector<std::size_t>& cuts) {
  Outcome outcome;
  DataScanner scanner;
  std::size_t at = 0;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const std::size_t end = i < cuts.size() ? cuts[i] : input.size();
    const std::string_view piece = input.substr(at, end - at);
    at = end;
    if (scanner.finished()) break;
    const DataScanner::Piece result = scanner.scan(piece);
    CHECK(result.forward <= result.consumed);
    CHECK((result.consumed == piece.size() || scanner.finished()));
    if (result.cr_first) outcome.forwarded += '\r';
    outcome.forwarded += piece.substr(0, result.forward);
    outcome.consumed += result.consumed;
    CHECK_FALSE(holds_bare(outcome.forwarded));
  }
  outcome.finished = scanner.finished();
  outcome.fault = scanner.fault();
  return outcome;
}

struct Case {
  std::string input;
  std::size_t consumed;  // where the data end; npos: they do not
  Fault fault;
  std::string_view why;
};
constexpr std::size_t never = std::string_view::npos;

void check(const Case& want, const std::vector<std::size_t>& cuts) {
  const Outcome got = scan(want.input, cuts);
  CHECK(got.finished == (want.consumed != never));
  CHECK(got.consumed == (want.consumed != never ? want.consumed : want.input.size()));
  CHECK(got.fault == want.fault);
  if (want.fault == Fault::none) {
    // A CR at the very end still waits for its LF.
    const bool waits = !got.finished && want.input.ends_with('\r');
    CHECK(got.forwarded == want.input.substr(0, got.consumed - (waits ? 1 : 0)));
  } else {
    CHECK(want.input.starts_with(got.forwarded));
  }
}

const std::vector<Case>& cases() {
  static const std::vector<Case> table{
      {".\r\n", 3, Fault::none, "an empty message: the CRLF of DATA counts"},
      {".\r\nQUIT\r\n", 3, Fault::none, "what follows is commands"},
      {"a\r\n.\r\n", 6, Fault::none, ""},
      {"\r\n.\r\n", 5, Fault::none, "an empty line"},
      {"a\r\n.\r\n.\r\n", 6, Fault::none, "the first end is the end"},
      {"a\r\n..\r\n.\r\n", 10, Fault::none, "dot-stuffed"},
      {"a\r\n.b\r\n.\r\n", 10, Fault::none, "a dot that nobody stuffed"},
      {"a.\r\n.\r\n", 7, Fault::none, "a dot at the end of a line"},
      {"", never, Fault::none, ""},
      {"a", never, Fault::none, ""},
      {".", never, Fault::none, ""},
      {".\r", never, Fault::none, ""},
      {"a\r\n", never, Fault::none, ""},
      {"a\r\n.", never, Fault::none, ""},
      {"a\r\n.\r", never, Fault::none, ""},
      {"a\r\n. \r\n", never, Fault::none, "a blank behind the dot"},
      {"a\r\n..\r\n", never, Fault::none, ""},
      {"\n.\n", never, Fault::bare_lf, "smuggling"},
      {"a\n.\n", never, Fault::bare_lf, "smuggling"},
      {"a\n.\r\n", never, Fault::bare_lf, "smuggling"},
      {"a\r.\r", never, Fault::bare_cr, "smuggling"},
      {"a\r.\r\n", never, Fault::bare_cr, "smuggling"},
      {"a\r\n.\n", never, Fault::bare_lf, "smuggling"},
      {"a\r\n.\rx", never, Fault::bare_cr, "smuggling"},
      {"a\r\n.\r\r\n", never, Fault::bare_cr, "smuggling"},
      {"a\r\n\0.\r\n"s, never, Fault::nul, "smuggling"},
      {"a\r\n.\0\r\n"s, never, Fault::nul, "smuggling"},
      {"a\r\n.\r\0\n"s, never, Fault::bare_cr, "smuggling"},
      {"a\r\0\n.\r\n"s, never, Fault::bare_cr, "smuggling"},
      {"a\r\r\n.\r\n", 7, Fault::bare_cr, "CR CRLF: the second CR belongs to an LF"},
      {"a\n.\r\nQUIT\r\n.\r\nNOOP\r\n", 14, Fault::bare_lf,
       "after a fault the real end is still found"},
      {"\r\r\n.\r\n", 6, Fault::bare_cr, ""},
      {"a\nb\rc\0d\r\n.\r\n"s, 12, Fault::bare_lf, "the first fault stays"},
      {"a\0b\nc\r\n.\r\n"s, 10, Fault::nul, "the first fault stays"},
      {".\n\r\n.\r\n", 7, Fault::bare_lf, ""},
      {".\r.\r\n", never, Fault::bare_cr, ""},
  };
  return table;
}

}  // namespace

TEST_CASE("only CRLF.CRLF ends data, however it is cut") {
  for (const Case& want : cases()) {
    CAPTURE(want.input);
    CAPTURE(want.why);
    check(want, {});
    for (std::size_t a = 0; a <= want.input.size(); ++a) {
      CAPTURE(a);
      check(want, {a});
      for (std::size_t b = a; b <= want.input.size(); ++b) {
        CAPTURE(b);
        check(want, {a, b});
      }
    }
    std::vector<std::size_t> everywhere;
    for (std::size_t i = 1; i < want.input.size(); ++i) everywhere.push_back(i);
    check(want, everywhere);
  }
}

TEST_CASE("the same behind lines of every length") {
  // Long enough that the case lies at every place of a block that is looked at together.
  for (const Case& plain : cases()) {
    for (std::size_t length = 0; length < 200; ++length) {
      const std::string before = std::string(length, 'x') + "\r\n";
      const Case want{before + plain.input + std::string(plain.consumed == never ? 0 : 100, 'y'),
                      plain.consumed == never ? never : before.size() + plain.consumed, plain.fault,
                      plain.why};
      CAPTURE(plain.input);
      CAPTURE(length);
      check(want, {});
      check(want, {length});
      check(want, {length + 1});
      check(want, {std::min(length + 3, want.input.size())});
    }
  }
}

TEST_CASE("an end or a fault is found at every place of a long body") {
  const std::string body(300, 'x');
  struct Insert {
    std::string octets;
    bool ends;
    Fault fault;
  };
  const std::vector<Insert> inserts{
      {"\r\n.\r\n", true, Fault::none},   {"\n", false, Fault::bare_lf},
      {"\r", false, Fault::bare_cr},      {"\0"s, false, Fault::nul},
      {"\r\n..\r\n", false, Fault::none}, {"\n.\r\n", false, Fault::bare_lf},
  };
  for (std::size_t at = 0; at <= body.size(); ++at) {
    for (const auto& [octets, ends, fault] : inserts) {
      // A CR at the very end is no fault yet.
      const std::string input = body.substr(0, at) + octets + body.substr(at) + "x";
      CAPTURE(at);
      CAPTURE(octets);
      check({input, ends ? at + octets.size() : never, fault, ""}, {});
    }
  }
}

TEST_CASE("nothing is taken after the end, and an empty piece changes nothing") {
  DataScanner scanner;
  CHECK(scanner.scan("a\r").forward == 1);
  CHECK(scanner.scan("").consumed == 0);
  const auto last = scanner.scan("\n.\r\nQUIT\r\n");
  CHECK(last.cr_first);
  CHECK(last.consumed == 4);
  CHECK(scanner.finished());
  CHECK(scanner.scan("more").consumed == 0);
}

TEST_CASE("dot-stuffing is undone line by line, and the final dot goes") {
  using postern::wire::unstuffed;
  CHECK(unstuffed("a\r\n..b\r\n.c\r\n.\r\n", "\n") == "a\n.b\nc\n");
  CHECK(unstuffed("a\r\n\r\n.\r\n", "\r\n") == "a\r\n\r\n");
  CHECK(unstuffed("cut in the mid", "\r\n") == "cut in the mid");
  CHECK(unstuffed(".\r\nb\r\n", "\n") == "\nb\n");
  CHECK(unstuffed("", "\n").empty());
}
