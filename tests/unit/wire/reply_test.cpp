#include "proxy/wire/reply.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace std::string_literals;
using postern::wire::make_reply;
using postern::wire::max_reply_line;
using postern::wire::max_reply_lines;
using postern::wire::parse_reply;
using postern::wire::ParsedReply;
using postern::wire::Reply;
using postern::wire::with_code;
using State = ParsedReply::State;

namespace {

std::string lines(std::size_t count) {
  std::string text;
  for (std::size_t i = 1; i < count; ++i) text += "250-x\r\n";
  return text + "250 x\r\n";
}

// A line of so many octets, CRLF included.
std::string line_of(std::size_t octets) { return "250 " + std::string(octets - 6, 'x') + "\r\n"; }

}  // namespace

TEST_CASE("a reply is one line") {
  CHECK(make_reply(250, "2.0.0", "done") == Reply{250, "250 2.0.0 done\r\n"});
  CHECK(make_reply(354, "", "go ahead") == Reply{354, "354 go ahead\r\n"});
}

TEST_CASE("replies that are complete") {
  struct Case {
    std::string input;
    int code;
    std::size_t consumed;
    std::string_view why;
  };
  const std::vector<Case> cases{
      {"250 ok\r\n", 250, 8, ""},
      {"250 ok\r\n354 go\r\n", 250, 8, "the first of two"},
      {"250 ok\r\ngarbage\n", 250, 8, "what follows is not looked at"},
      {"250\r\n", 250, 5, "the code alone"},
      {"250 \r\n", 250, 6, "no text"},
      {"250-\r\n250 \r\n", 250, 12, "no text, twice"},
      {"250-a\r\n250-b\r\n250 c\r\n", 250, 21, ""},
      {"250-a\r\n250\r\n", 250, 12, "a last line of the code alone"},
      {"599 x\r\n", 599, 7, "the highest"},
      {"200 x\r\n", 200, 7, "the lowest"},
      {"299 x\r\n", 299, 7, "a second digit that no RFC names"},
      {"550 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\r\n", 550, 17, "UTF-8"},
      {"550 a\tb\r\n", 550, 9, "tab"},
      {line_of(max_reply_line), 250, max_reply_line, "the longest line"},
      {lines(max_reply_lines), 250, max_reply_lines * 7, "the most lines"},
  };
  for (const auto& [input, code, consumed, why] : cases) {
    CAPTURE(input);
    CAPTURE(why);
    const ParsedReply parsed = parse_reply(input);
    REQUIRE(parsed.state == State::complete);
    CHECK(parsed.reply.code == code);
    CHECK(parsed.reply.text == input.substr(0, consumed));
    CHECK(parsed.consumed == consumed);
    for (std::size_t cut = 0; cut < consumed; ++cut) {
      CHECK(parse_reply(input.substr(0, cut)).state == State::incomplete);
    }
  }
}

TEST_CASE("replies that are malformed") {
  struct Case {
    std::string input;
    std::string_view why;
  };
  const std::vector<Case> cases{
      {"\r\n", "no code"},
      {"\n", "a bare LF alone"},
      {"25\r\n", "two digits"},
      {"2500 x\r\n", "four digits"},
      {"25x ok\r\n", "no digits"},
      {" 250 ok\r\n", "a blank first"},
      {"-50 ok\r\n", "a sign"},
      {"000 ok\r\n", ""},
      {"100 ok\r\n", ""},
      {"199 ok\r\n", ""},
      {"600 ok\r\n", ""},
      {"999 ok\r\n", ""},
      {"250_ok\r\n", "no separator"},
      {"250\tok\r\n", "a tab is no separator"},
      {"250ok\r\n", "no separator"},
      {"250 ok\n", "bare LF at the end"},
      {"250-a\n250 b\r\n", "bare LF in the middle"},
      {"250 a\rb\r\n", "bare CR"},
      {"250 a\r\r\n", "bare CR"},
      {"250\r\r\n", "bare CR behind the code"},
      {"250 a\0b\r\n"s, "NUL"},
      {"250 \x1b[2J\r\n", "control"},
      {"250 \x7f\r\n", "DEL"},
      {"250 \xff\r\n", "no UTF-8"},
      {"250 \xe9\r\n", "Latin-1"},
      {"250 \xc3\r\n", "UTF-8 cut short"},
      {"250 \xc0\xaf\r\n", "overlong UTF-8"},
      {"250 \xe0\x80\xaf\r\n", "overlong UTF-8"},
      {"250 \xed\xa0\x80\r\n", "a surrogate"},
      {"250 \xf4\x90\x80\x80\r\n", "above U+10FFFF"},
      {"250-a\r\n251 b\r\n", "codes that differ"},
      {"250-a\r\n550 b\r\n", "codes that differ"},
      {"250-a\r\n\r\n", "a line without a code"},
      {"250-a\r\nb\r\n", "a line without a code"},
      {line_of(max_reply_line + 1), "a line too long"},
      {std::string(max_reply_line, '2'), "an endless line is malformed before it ends"},
      {"250-a\r\n" + std::string(max_reply_line, 'x'), "an endless second line"},
      {lines(max_reply_lines + 1), "too many lines"},
  };
  for (const auto& [input, why] : cases) {
    CAPTURE(input);
    CAPTURE(why);
    CHECK(parse_reply(input).state == State::malformed);
    for (std::size_t cut = 0; cut < input.size(); ++cut) {
      CHECK(parse_reply(input.substr(0, cut)).state != State::complete);
    }
  }
}

TEST_CASE("a reply under another code keeps its lines") {
  CHECK(with_code({552, "552 5.3.4 too big\r\n"}, 550) == Reply{550, "550 5.3.4 too big\r\n"});
  CHECK(with_code({552, "552-a\r\n552-552\r\n552 c\r\n"}, 550) ==
        Reply{550, "550-a\r\n550-552\r\n550 c\r\n"});
  CHECK(with_code({552, "552\r\n"}, 550) == Reply{550, "550\r\n"});
}
