// Every short string of what matters, cut at each place, against a receiver that knows no more
// than RFC 5321: what it reads is one message, and what a model says.
#include "proxy/wire/line_ends.h"

#include "proxy/wire/data.h"

#include <cstddef>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace std::string_literals;
using postern::wire::DataScanner;
using postern::wire::LineEnds;

namespace {

constexpr auto npos = std::string::npos;

// Of the sender's octets: up to and with CRLF.CRLF, what stands in front of the first octet being
// a CRLF.
std::size_t end_of_data(std::string_view sent) {
  const auto end = ("\r\n" + std::string(sent)).find("\r\n.\r\n");
  return end == npos ? npos : end + 3;
}

// What the sender means: stuffing is undone where a line begins behind a CRLF, unless the line is
// a dot alone (its LF is bare, or it would be the end); then every line end is CRLF.
std::string meant(std::string_view sent) {
  std::string text;
  bool stuffed = true;
  while (!sent.empty()) {
    const auto end = sent.find('\n');
    const bool whole = end != npos;
    std::string_view line = sent.substr(0, end);
    sent.remove_prefix(whole ? end + 1 : sent.size());
    const bool crlf = whole && line.ends_with('\r');
    if (crlf) line.remove_suffix(1);
    if (stuffed && crlf && line == "." && sent.empty()) break;
    if (stuffed && line.starts_with('.') && line != ".") line.remove_prefix(1);
    text += line;
    if (whole) text += "\r\n";
    stuffed = crlf;
  }
  return text;
}

struct Passed {
  std::string octets;
  std::size_t consumed = 0;
};

Passed pass(std::string_view sent, std::size_t cut) {
  LineEnds ends;
  auto first = ends.take(sent.substr(0, cut));
  Passed passed{.octets = std::move(first.octets), .consumed = first.consumed};
  if (first.consumed < cut) return passed;
  // As a session does: nothing is given behind the end.
  if (end_of_data(sent.substr(0, cut)) != npos) return passed;
  auto rest = ends.take(sent.substr(cut));
  passed.octets += rest.octets;
  passed.consumed += rest.consumed;
  return passed;
}

bool holds_bare_lf(std::string_view octets) {
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (octets[i] == '\n' && (i == 0 || octets[i - 1] != '\r')) return true;
  }
  return false;
}

// One at the very end may still get its LF.
bool holds_bare_cr(std::string_view octets) {
  for (std::size_t i = 0; i + 1 < octets.size(); ++i) {
    if (octets[i] == '\r' && octets[i + 1] != '\n') return true;
  }
  return false;
}

// Empty: all is as it should be.
std::string judge(std::string_view sent, std::size_t cut) {
  const auto end = end_of_data(sent);
  const auto data = sent.substr(0, end);
  const auto [octets, consumed] = pass(sent, cut);
  if (consumed != data.size()) return "another end than the sender's";
  if (holds_bare_lf(octets)) return "a bare LF goes out";
  if (octets.size() > 3 * data.size()) return "more than three times the input";
  const auto end_out = end_of_data(octets);
  if (end == npos ? end_out != npos : end_out != octets.size()) {
    return "a receiver sees another end";
  }
  DataScanner scanner;
  const auto scanned = scanner.scan(octets);
  if (scanned.consumed != octets.size() || scanner.finished() != (end != npos)) {
    return "the scanner sees another end";
  }
  if (scanner.fault() == DataScanner::Fault::bare_lf) return "the scanner sees a bare LF";
  const bool odd = data.contains('\0') || holds_bare_cr(data);
  if (odd != (scanner.fault() != DataScanner::Fault::none)) return "a fault, or none";
  // A message is understood when it is whole, and only then.
  if (!odd && end != npos && postern::wire::unstuffed(octets, "\r\n") != meant(data)) {
    return "other content";
  }
  return "";
}

}  // namespace

TEST_CASE("line ends: examples") {
  struct {
    std::string sent;
    std::string want;
    std::string_view why;
  } const cases[] = {
      {"a\r\nb\r\n.\r\n", "a\r\nb\r\n.\r\n", "nothing to do"},
      {"a\nb\n\r\n.\r\n", "a\r\nb\r\n\r\n.\r\n", "bare LFs"},
      {"a\n.\nb\r\n.\r\n", "a\r\n..\r\nb\r\n.\r\n", "LF.LF is content"},
      {"a\n.\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n.\r\n", "LF.CRLF is content"},
      {"a\r\n.\nb\r\n.\r\n", "a\r\n..\r\nb\r\n.\r\n", "CRLF.LF is content"},
      {".\nb\r\n.\r\n", "..\r\nb\r\n.\r\n", "so it is at the very start"},
      {"a\n.b\r\n.\r\n", "a\r\n..b\r\n.\r\n", "a dot behind a bare LF stuffs nothing"},
      {"a\r\n..b\n.\r\n\r\n.\r\n", "a\r\n..b\r\n..\r\n\r\n.\r\n", "stuffed already"},
      {".\r\nQUIT\r\n", ".\r\n", "nothing behind the end is taken"},
      {"a\rb\n", "a\rb\r\n", "a bare CR is the scanner's"},
  };
  for (const auto& test : cases) {
    CAPTURE(test.why);
    for (std::size_t cut = 0; cut <= test.sent.size(); ++cut) {
      CHECK(pass(test.sent, cut).octets == test.want);
    }
  }
}

namespace {

constexpr std::string_view alphabet("\r\n.a\0", 5);

// The next of its length, as a number counts; false behind the last.
bool advance(std::string& text) {
  for (char& octet : text) {
    const auto next = alphabet.find(octet) + 1;
    octet = alphabet[next % alphabet.size()];
    if (next < alphabet.size()) return true;
  }
  return false;
}

// What is wrong with the text as it stands, or as the beginning of a message that ends; cut at
// every `step`.
std::string judge_cuts(const std::string& text, std::size_t step) {
  for (const auto& sent : {text, text + "\r\n.\r\nx"}) {
    for (std::size_t cut = 0; cut <= text.size(); cut += step) {
      auto what = judge(sent, cut);
      if (what.empty()) continue;
      for (const char octet : sent) what += " " + std::to_string(int{octet});
      return what;
    }
  }
  return {};
}

}  // namespace

TEST_CASE("line ends: every string of CR, LF, dot, a letter and NUL, cut anywhere") {
  std::size_t tried = 0;
  for (std::size_t length = 0; length <= 8; ++length) {
    std::string text(length, alphabet[0]);
    do {
      ++tried;
      const auto wrong = judge_cuts(text, length < 8 ? 1 : 4);
      REQUIRE(wrong == "");
    } while (advance(text));
  }
  CHECK(tried == 488'281);
}
