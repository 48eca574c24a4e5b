#include "proxy/wire/command.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace std::string_literals;
using postern::wire::Line;
using postern::wire::max_command_line;
using postern::wire::next_line;
using State = Line::State;

TEST_CASE("only CRLF ends a line") {
  struct Case {
    std::string input;
    State state;
    std::string text;
    std::size_t consumed;
    std::string_view why;
  };
  const std::vector<Case> cases{
      {"", State::none, "", 0, ""},
      {"NOOP", State::none, "", 0, ""},
      {"NOOP\r", State::none, "", 0, "its LF may come"},
      {"NOOP\n", State::none, "", 0, "a bare LF ends nothing"},
      {"\r\n", State::complete, "", 2, "empty line"},
      {"NOOP\r\nRSET\r\n", State::complete, "NOOP", 6, "the first of two"},
      {"NOOP\nRSET\r\n", State::bare, "NOOP\nRSET", 11, "smuggled behind a bare LF"},
      {"NOOP\rRSET\r\n", State::bare, "NOOP\rRSET", 11, "smuggled behind a bare CR"},
      {"NOOP\r\r\n", State::bare, "NOOP\r", 7, ""},
      {"\n\r\n", State::bare, "\n", 3, ""},
      {"NO\0OP\r\n"s, State::bare, "NO\0OP"s, 7, "NUL"},
      {"N\xc3\xa9\r\n", State::complete, "N\xc3\xa9", 5, "what it means is not asked here"},
  };
  for (const auto& [input, state, text, consumed, why] : cases) {
    CAPTURE(input);
    CAPTURE(why);
    const Line line = next_line(input);
    CHECK(line.state == state);
    CHECK(line.text == text);
    CHECK(line.consumed == consumed);
  }
}

TEST_CASE("a line that is too long is dropped in pieces until its CRLF") {
  const auto x = [](std::size_t count) { return std::string(count, 'x'); };
  CHECK(next_line(x(max_command_line - 2) + "\r\n").state == State::complete);
  CHECK(next_line(x(max_command_line - 1)).state == State::none);

  struct Case {
    std::string input;
    std::size_t consumed;
    std::string_view why;
  };
  const std::vector<Case> cases{
      {x(max_command_line), max_command_line, "no end in sight"},
      {x(max_command_line - 1) + "\r", max_command_line - 1, "the CR may be that of its CRLF"},
      {x(max_command_line - 1) + "\r\nNOOP\r\n", max_command_line - 1,
       "its CRLF stays, to be seen as its end"},
      {x(max_command_line * 3), max_command_line * 3, ""},
      {std::string(max_command_line, '\n'), max_command_line, "bare LF without end"},
  };
  for (const auto& [input, consumed, why] : cases) {
    CAPTURE(why);
    const Line line = next_line(input);
    CHECK(line.state == State::too_long);
    CHECK(line.consumed == consumed);
  }
}
