#include "store/rows/csv.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::rows;

namespace {

// The fields of the first record, and how many octets and lines it has; or why it is none.
std::string read(std::string_view text, CsvStyle style = {}) {
  CsvReader reader(style);
  const auto record = reader.read(text);
  if (!record) return "! " + record.error().text;
  std::string out;
  for (const std::string_view field : reader.fields()) out += "[" + std::string(field) + "]";
  return out + std::to_string(record->used) + "," + std::to_string(record->lines);
}

}  // namespace

TEST_CASE("records") {
  struct Case {
    std::string_view input, want, why;
  };
  const Case cases[] = {
      {"", "[]0,1", "nothing"},
      {"a", "[a]1,1", "the last line without an end"},
      {"a,b\nc", "[a][b]4,1", "the first record alone"},
      {"a,b\r\nc", "[a][b]5,1", "CRLF"},
      {",\n", "[][]2,1", "empty fields"},
      {"\"a,b\",c\n", "[a,b][c]8,1", "a comma in quotes"},
      {"\"a\"\"b\",\"\"\n", "[a\"b][]10,1", "doubled quotes, and none between"},
      {"\"a\nb\r\nc\",d\r\n", "[a\nb\r\nc][d]12,3", "line ends in quotes"},
      {"\"a\"", "[a]3,1", "quotes at the end of the text"},
      {"\"\"\"\",\"\"\"x\"\"\"", "[\"][\"x\"]12,1", "quotes alone"},
      {"a;b,c\n", "[a;b][c]6,1", "another delimiter is none"},
      {"\"a", "! a quote that is not closed", "an open quote"},
      {"\"a\"b,c", "! text behind a closing quote", "text behind"},
      {"a\"b,c", "! a quote inside a field without quotes", "a quote inside"},
      {"\"a\\\"b\",c", "! text behind a closing quote", "a backslash is no escape"},
  };
  for (const auto& [input, want, why] : cases) {
    CAPTURE(why);
    CHECK(read(input) == want);
  }
  CHECK(read("a;\"b;c\"\n", {.delimiter = ';'}) == "[a][b;c]8,1");
  CHECK(read("a\tb", {.delimiter = '\t'}) == "[a][b]3,1");
  CHECK(read("a,b;c\nd", {.delimiter = one_column}) == "[a,b;c]6,1");
  CHECK(read("\"a,\nb\"\nd", {.delimiter = one_column}) == "[a,\nb]7,2");
}

TEST_CASE("backslashes, where a tool writes them") {
  constexpr CsvStyle style{.delimiter = ',', .backslashes = true};
  CHECK(read(R"("say \"no\"",b)", style) == R"([say "no"][b]14,1)");
  CHECK(read(R"("a\\",b)", style) == R"([a\][b]7,1)");
  CHECK(read(R"("a\n""b")", style) == R"([a\n"b]8,1)");
  CHECK(read(R"(a\b,c)", style) == R"([a\b][c]5,1)");
  CHECK(read(R"("a\")", style) == "! a quote that is not closed");
}

TEST_CASE("fields are written so that they read back") {
  for (const std::string_view field : {"", "plain", "a,b", "\"", "\"quoted\"", "line\nend", "cr\r",
                                       ",", "=1+1", " blanks ", "\\"}) {
    CAPTURE(field);
    std::string line;
    append_csv(line, "first");
    line += ',';
    append_csv(line, field);
    line += '\n';
    CHECK(read(line) == "[first][" + std::string(field) + "]" + std::to_string(line.size()) + "," +
                            std::to_string(field.contains('\n') ? 2 : 1));
  }
}
