#include "store/csv.h"
#include "store/exchange.h"

#include <sstream>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::store;

namespace {

// One line a row: "LINE address|status|scope|date|until|source|note", or "LINE ! reason".
std::string said(std::istream& in) {
  std::ostringstream out;
  RowReader reader(in);
  while (auto next = reader.next()) {
    out << next->line;
    if (!next->row) {
      out << " ! " << next->row.error().text << '\n';
      continue;
    }
    const Row& row = *next->row;
    out << ' ' << row.address.text << '|';
    if (row.status) out << static_cast<int>(*row.status);
    out << '|' << row.scope << '|' << (row.date ? format_time(*row.date) : "") << '|'
        << (row.until ? format_time(*row.until) : "") << '|' << row.source << '|' << row.note
        << '\n';
  }
  return out.str();
}

std::string said(std::string_view text) {
  std::istringstream in{std::string(text)};
  return said(in);
}

}  // namespace

TEST_CASE("rows of every format") {
  struct Case {
    std::string_view input, want, why;
  };
  const Case cases[] = {
      {"", "", "nothing"},
      {"\xEF\xBB\xBF", "", "a BOM alone"},
      {"\n\r\n", "", "blank lines"},
      {"a@x.example\n@y.example\n@.z.example",
       "1 a@x.example||||||\n2 @y.example||||||\n3 "
       "@.z.example||||||\n",
       "a plain list, the last line without an end"},
      {"\xEF\xBB\xBF"
       "A@X.example \r\n\r\n b@x.example\r\n",
       "1 a@x.example||||||\n3 "
       "b@x.example||||||\n",
       "a BOM, CRLF, blanks around"},
      {"email\na@x.example\n", "2 a@x.example||||||\n", "a header of one column"},
      {"Name, E-MAIL ,Email\nx,y,a@x.example\n", "2 a@x.example||||||\n", "its column by name"},
      {"\xEF\xBB\xBF\"address\",status,stream,date,until,source,reason\n"
       "a@x.example,Bounced,all,2026-03-01,2026-04-01T01:02:03Z, shop ,\" said "
       "\"\"no\"\",\r\ntwice\"\n"
       "b@x.example,,,,,,\n",
       "2 a@x.example|1|all|2026-03-01T00:00:00Z|2026-04-01T01:02:03Z|shop| said \"no\",\r\ntwice\n"
       "4 b@x.example||||||\n",
       "all columns, quotes, a line end in quotes"},
      {"email,email\na@x.example,b@x.example\n", "2 a@x.example||||||\n",
       "a name twice: the first"},
      {"{\"address\":\"a@x.example\",\"status\":\"blocked\",\"until\":\"2026-04-01\",\"other\":{"
       "\"x\":"
       "[1]},\"date\":null}\n\n{\"email\":\"b@x.example\",\"reason\":\"\\u00e4\"}",
       "1 a@x.example|3|||2026-04-01T00:00:00Z||\n3 b@x.example||||||ä\n", "JSON lines"},
      {"email\n\"q q\"@x.example\n\"\"\"q q\"\"@x.example\"\n",
       "2 ! text behind a closing quote\n3 "
       "\"q q\"@x.example||||||\n",
       "quotes of CSV and quotes of the address"},
  };
  for (const auto& [input, want, why] : cases) {
    CAPTURE(why);
    CHECK(said(input) == want);
  }
}

TEST_CASE("rows that are none have their line, and the others are read") {
  struct Case {
    std::string_view input, want, why;
  };
  const Case cases[] = {
      {"email,status\na@x.example\nb@x.example,,\nc@x.example,\n",
       "2 ! 1 fields where the header has "
       "2\n3 ! 3 fields where the header has 2\n4 c@x.example||||||\n",
       "columns"},
      {"email,status\n,bounced\n  ,\nc@x.example,\n",
       "2 ! no address\n3 ! no address\n4 "
       "c@x.example||||||\n",
       "no address"},
      {"email,status\na@x.example,gone\n",
       "2 ! unknown status \"gone\": unsubscribed, bounced, "
       "complained, blocked or subscribed\n",
       "a status that nobody knows is not guessed"},
      {"email,reason\na@x.example,\"never closed\nb@x.example,x\nc@x.example,y",
       "2 ! a quote that is not closed\n3 b@x.example||||||x\n4 c@x.example||||||y\n",
       "a quote that is never closed does not swallow the file"},
      {"email,reason\na@x.example,5\" disk\nb@x.example,\"x\"y\nc@x.example,z\n",
       "2 ! a quote inside a field without quotes\n3 ! text behind a closing quote\n4 "
       "c@x.example||||||z\n",
       "quotes where none may be"},
      {"email\na\xFF@x.example\nb@x.example\n", "2 ! not UTF-8\n3 b@x.example||||||\n",
       "not UTF-8"},
      {"{\"address\":\"a@x.example\"}\n{\"address\":\"b\\u0000@x.example\"}\n[1]\n{\"address\":1}"
       "\n{\n"
       "{\"address\":\"c@x.example\"}",
       "1 a@x.example||||||\n2 ! a NUL\n3 ! not a JSON object\n4 ! \"address\" is no string\n5 ! "
       "not a "
       "JSON object\n6 c@x.example||||||\n",
       "JSON that is none"},
  };
  for (const auto& [input, want, why] : cases) {
    CAPTURE(why);
    CHECK(said(input) == want);
  }
  using namespace std::string_view_literals;
  CHECK(said("a@x.example\nb\0c@x.example\nd@x.example\n"sv) ==
        "1 a@x.example||||||\n2 ! a NUL\n3 d@x.example||||||\n");
  for (const std::string_view bad : {"nonsense", "a@", "a@x..example", "@", "a b@x.example"}) {
    CAPTURE(bad);
    CHECK(said("email\n" + std::string(bad) + "\nz@x.example\n").starts_with("2 ! "));
    CHECK(
        said("email\n" + std::string(bad) + "\nz@x.example\n").ends_with("3 z@x.example||||||\n"));
  }
  for (const std::string_view bad : {"2026-02-30", "yesterday", "1", "2026-03-01T25:00:00Z"}) {
    CAPTURE(bad);
    CHECK(said("email,date\na@x.example," + std::string(bad) + "\n").starts_with("2 ! "));
    CHECK(said("email,until\na@x.example," + std::string(bad) + "\n").starts_with("2 ! "));
  }
  CHECK(said("email,stream\na@x.example,two words\n").starts_with("2 ! stream: "));
  CHECK(said("email,stream\na@x.example,ALL!\n").starts_with("2 ! stream: "));
  CHECK(said("email,stream\na@x.example,all\n").contains("all"));
  CHECK(said("email,stream\na@x.example," + std::string(65, 's') + "\n").starts_with("2 ! "));
}

TEST_CASE("lines up to the limit are read, longer ones rejected, at every length around it") {
  constexpr std::size_t limit = 64UL * 1024;
  for (const std::string_view end : {"\n", "\r\n"}) {
    for (std::size_t length = limit - 3; length <= limit + 3; ++length) {
      CAPTURE(length);
      const std::string start = "a@x.example,";
      const std::string text = "email,reason\n" + start + std::string(length - start.size(), 'r') +
                               std::string(end) + "b@x.example,last\n";
      const std::string want_last = "3 b@x.example||||||last\n";
      const bool fits = length + end.size() - 1 <= limit;
      const std::string got = said(text);
      CHECK(got.ends_with(want_last));
      CHECK(got.starts_with(fits ? "2 a@x.example" : "2 ! longer than 64 KiB"));
    }
  }
  // A record of many lines is bounded as well, wherever the limit cuts it.
  for (std::size_t cut = limit - 20; cut <= limit + 8; ++cut) {
    CAPTURE(cut);
    const std::string start = "a@x.example,\"";
    const std::string text = "email,reason,source\n" + start + std::string(100, 'r') + "\n" +
                             std::string(cut - start.size() - 101, 'r') +
                             "\",tail\nb@x.example,,\n";
    const std::string got = said(text);
    if (got.starts_with("2 a@x.example")) {
      CHECK(got.contains("|tail|"));
    } else {
      CHECK(got.starts_with("2 ! "));
    }
    CHECK(got.ends_with("4 b@x.example||||||\n"));
  }
  std::string endless = "email\na@x.example\n" + std::string(3'000'000, 'x') + "\nb@x.example\n";
  CHECK(said(endless) == "2 a@x.example||||||\n3 ! longer than 64 KiB\n4 b@x.example||||||\n");
  CHECK(said(std::string(3'000'000, 'x')) == "1 ! longer than 64 KiB\n");
}

TEST_CASE("a file that is cut anywhere reads up to there") {
  const std::string whole =
      "email,status,reason\r\na@x.example,bounced,\"one,\r\n\"\"two\"\"\"\r\nb@x.example,,\r\n";
  const std::string first = "2 a@x.example|1|||||one,\r\n\"two\"\n";
  const std::size_t end_of_first = whole.find("b@x");
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    CAPTURE(size);
    const std::string got = said(std::string_view(whole).substr(0, size));
    if (size >= end_of_first) CHECK(got.starts_with(first));
  }
}

TEST_CASE("CSV fields are written so that they read back") {
  for (const std::string_view field :
       {"", "plain", "a,b", "\"", "\"quoted\"", "line\nend", "cr\r", ",", "=1+1", " blanks "}) {
    CAPTURE(field);
    std::string line;
    append_csv(line, "first");
    line += ',';
    append_csv(line, field);
    line += '\n';
    std::vector<std::string> fields;
    auto record = read_csv(line, fields);
    REQUIRE(record);
    CHECK(record->used == line.size());
    CHECK(fields == std::vector<std::string>{"first", std::string(field)});
  }
}

TEST_CASE("statuses, whatever their case") {
  CHECK(parse_row_status("Unsubscribed") == RowStatus::unsubscribed);
  CHECK(parse_row_status("BOUNCED") == RowStatus::bounced);
  CHECK(parse_row_status("complained") == RowStatus::complained);
  CHECK(parse_row_status("blocked") == RowStatus::blocked);
  CHECK(parse_row_status("subscribed") == RowStatus::subscribed);
  CHECK_FALSE(parse_row_status("active"));
  CHECK_FALSE(parse_row_status(""));
}
