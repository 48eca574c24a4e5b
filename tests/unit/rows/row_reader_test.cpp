#include "store/rows/row_reader.h"

#include "said.h"

#include <sstream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::rows;

namespace {

ReadOptions mapped(std::vector<std::pair<std::string, std::string>> columns) {
  ReadOptions options;
  options.columns = std::move(columns);
  return options;
}

ReadOptions of_format(std::string format) {
  ReadOptions options;
  options.format = std::move(format);
  return options;
}

ReadOptions with_dates(DateOrder order) {
  ReadOptions options;
  options.dates = order;
  return options;
}

}  // namespace

TEST_CASE("rows of every kind of file") {
  struct Case {
    std::string_view input, want, why;
  };
  const Case cases[] = {
      {"", "", "nothing"},
      {"\xEF\xBB\xBF", "", "a BOM alone"},
      {"\n\r\n", "", "blank lines"},
      {"a@x.example\n@y.example\n@.z.example", "1 a@x.example\n2 @y.example\n3 @.z.example\n",
       "a plain list, the last line without an end"},
      {"\xEF\xBB\xBF"
       "A@X.example \r\n\r\n b@x.example\r\n",
       "1 a@x.example\n3 b@x.example\n", "a BOM, CRLF, blanks around"},
      {"# left\n\n#\na@x.example\n#b@x.example\n", "4 a@x.example\n", "comments of a list"},
      {"email\na@x.example\n", "2 a@x.example\n", "a header of one column"},
      {"email\na@x.example;\nb@x.example,\n", "2 a@x.example\n3 b@x.example\n",
       "one column, with what was cut from a list"},
      {"Name, E-MAIL ,Email\nx,y@x.example,a@x.example\n", "2 y@x.example\n",
       "the first column of a name"},
      {"\xEF\xBB\xBF\"address\",status,stream,date,until,source,reason\n"
       "a@x.example,Bounced,all,2026-03-01,2026-04-01T01:02:03Z, shop ,\" said "
       "\"\"no\"\",\r\ntwice\"\n"
       "b@x.example,,,,,,\n",
       "2 a@x.example|bounced|all|2026-03-01T00:00:00Z|2026-04-01T01:02:03Z|shop| said "
       "\"no\",\r\ntwice\n"
       "4 b@x.example\n",
       "all columns, quotes, a line end in quotes"},
      {"sep=;\nemail;reason\na@x.example;x,y\n", "3 a@x.example||||||x,y\n", "as Excel has it"},
      {"email\treason\na@x.example\tx;y\n", "2 a@x.example||||||x;y\n", "tabs"},
      {"email|reason\na@x.example|x,y\n", "2 a@x.example||||||x,y\n", "bars"},
      {"\"Name; first\";email;reason,more\nx;a@x.example;y\n", "2 a@x.example\n",
       "the delimiter that is most"},
      {"#,Email\n1,a@x.example\n", "2 a@x.example\n", "a header that begins like a comment"},
      {"# exported today\nemail,reason\na@x.example,x\n", "3 a@x.example||||||x\n",
       "a comment above the header"},
      {"{\"address\":\"a@x.example\",\"status\":\"blocked\",\"until\":\"2026-04-01\",\"other\":{"
       "\"x\":[1]},\"date\":null}\n\n{\"email\":\"b@x.example\",\"reason\":\"\\u00e4\"}",
       "1 a@x.example|blocked|||2026-04-01T00:00:00Z\n3 b@x.example||||||\xC3\xA4\n", "JSON lines"},
      {"email\n\"q q\"@x.example\n\"\"\"q q\"\"@x.example\"\n",
       "2 ! text behind a closing quote\n3 \"q q\"@x.example\n",
       "quotes of CSV and quotes of the address"},
      {"@mail.example\n@status\n", "1 @mail.example\n2 @status\n", "domains are no header"},
      {"email,unsubscribed at\na@x.example,\n", "2 a@x.example\n", "an empty date is no date"},
      {"Email,Subscribed\na@x.example,0\nb@x.example,1\nc@x.example,\n",
       "2 a@x.example|unsubscribed\n3 b@x.example active\n4 c@x.example\n",
       "not subscribed is unsubscribed; subscribed is no consent"},
      {"email,unsubscribed,opt-out date\na@x.example,0,\nb@x.example,,2026-03-01\n",
       "2 a@x.example active\n3 b@x.example|||2026-03-01T00:00:00Z\n",
       "who has a date of leaving has left, whatever the flag says"},
      {"email,bounced\na@x.example,0\nb@x.example,1\n", "2 a@x.example\n3 b@x.example|bounced\n",
       "not bounced says nothing of having left"},
      {"email,status,unsubscribed\na@x.example,subscribed,1\n", "2 a@x.example|unsubscribed\n",
       "a restriction is no consent beside"},
      {"email,status\na@x.example,soft bounce\nb@x.example,enabled\n",
       "2 a@x.example active\n3 b@x.example active\n", "a status that is neither"},
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
       "2 ! 1 fields where the header has 2\n3 ! 3 fields where the header has 2\n"
       "4 c@x.example\n",
       "columns"},
      {"email,status\n,bounced\n  ,\nc@x.example,\n",
       "2 ! no address\n3 ! no address\n4 c@x.example\n", "no address"},
      {"email,status\na@x.example,gone\n",
       "2 ! unknown status \"gone\": unsubscribed, bounced, complained, blocked or subscribed\n",
       "a status that nobody knows is not guessed"},
      {"email,reason\na@x.example,\"never closed\nb@x.example,x\nc@x.example,y",
       "2 ! a quote that is not closed\n3 b@x.example||||||x\n4 c@x.example||||||y\n",
       "a quote that is never closed does not swallow the file"},
      {"email,reason\na@x.example,5\" disk\nb@x.example,\"x\"y\nc@x.example,z\n",
       "2 ! a quote inside a field without quotes\n3 ! text behind a closing quote\n4 "
       "c@x.example||||||z\n",
       "quotes where none may be"},
      {"{\"address\":\"a@x.example\"}\n{\"address\":\"b\\u0000@x.example\"}\n[1]\n{\"address\":1}"
       "\n{\n{\"name\":\"c\"}\n{\"address\":\"c@x.example\"}",
       "1 a@x.example\n2 ! a NUL\n3 ! not a JSON object\n4 ! \"1\" is no address: it has no @ "
       "after the local part\n5 ! not a JSON object\n6 ! no address\n7 c@x.example\n",
       "JSON that is none"},
      {"email,date\na@x.example,soon\nb@x.example,2026-03-01\n",
       "2 ! 'soon' is no date: write 2026-03-01 or 2026-03-01T12:00:00Z\n"
       "3 b@x.example|||2026-03-01T00:00:00Z\n",
       "a date that cannot be read"},
      {"Email Address,OPTIN_TIME,CONFIRM_TIME\na@x.example,,sometime\n",
       "2 ! 'sometime' is no date: write 2026-03-01 or 2026-03-01T12:00:00Z\n",
       "nor when somebody consented"},
  };
  for (const auto& [input, want, why] : cases) {
    CAPTURE(why);
    CHECK(said(input) == want);
  }
  using namespace std::string_view_literals;
  CHECK(said("a@x.example\nb\0c@x.example\nd@x.example\n"sv) ==
        "1 a@x.example\n2 ! a NUL\n3 d@x.example\n");
  for (const std::string_view bad : {"nonsense", "a@", "a@x..example", "@", "a b@x.example"}) {
    CAPTURE(bad);
    const std::string got = said("email\n" + std::string(bad) + "\nz@x.example\n");
    CHECK(got.starts_with("2 ! "));
    CHECK(got.ends_with("3 z@x.example\n"));
  }
  CHECK(said("email,stream\na@x.example,two words\n").starts_with("2 ! stream: "));
  CHECK(said("email,stream\na@x.example,all\n") == "2 a@x.example||all\n");
  CHECK(said("email,stream\na@x.example," + std::string(65, 's') + "\n").starts_with("2 ! "));
}

TEST_CASE("what a file is not recognised as is said once, with what to say instead") {
  CHECK(recognised("Kunde,Kontakt,Seit\n7,a@x.example,2026-03-01\n") ==
        "! no column is known to be the address: the file has \"Kunde\", \"Kontakt\", \"Seit\"; "
        "say which is what, with --map 'address=Kontakt,date=Seit' or the like");
  CHECK(recognised("7,a@x.example,2026-03-01\n").contains("--map 'address=2,date=3'"));
  CHECK(recognised("a@x.example,spam,2026-03-01\n") ==
        "! the first line is a row, not the names of columns; say by their numbers which is what, "
        "with --map 'address=1,date=3,status=2' or the like");
  CHECK(recognised("nonsense\n").starts_with("! "));
  CHECK(recognised("[{\"email\":\"a@x.example\"}]\n").contains("jq -c '.[]'"));
  CHECK(recognised("{\n\"email\":\"a@x.example\"}\n").contains("jq -c"));
  CHECK(recognised("{\"kontakt\":\"a@x.example\"}\n").contains("--map 'address=kontakt'"));
  // What columns a file has besides is told, not an error.
  CHECK(recognised("email,shoe size,reason\na@x.example,42,\n") ==
        "csv import UTF-8 , - [shoe size]");
  const std::string wide(5000, ',');
  CHECK(recognised("email" + wide + "\n").starts_with("! "));
}

TEST_CASE("an export without rows is an export") {
  CHECK(recognised("\"Email Address\",OPTIN_TIME,CONFIRM_TIME,UNSUB_TIME\n")
            .starts_with("mailchimp-unsubscribed mailchimp"));
  CHECK(recognised("email,created\n").starts_with("sendgrid-unsubscribes"));
  CHECK(said("email,created\n").empty());
}

TEST_CASE("columns that are named go before what their names would tell") {
  const std::string_view file =
      "Kunde;Mail;Status;Seit;Liste\nx;a@x.example;bounced;01.02.2026;Angebote & mehr\n";
  CHECK(said(file) == "2 a@x.example|bounced\n");
  CHECK(said(file, mapped({{"date", "Seit"}, {"stream", "Liste"}})) ==
        "2 a@x.example|bounced|Angebote-mehr|2026-02-01T00:00:00Z\n");
  CHECK(said(file, mapped({{"date", "4"}, {"reason", "kunde"}})) ==
        "2 a@x.example|bounced||2026-02-01T00:00:00Z|||x\n");
  CHECK(said(file, mapped({{"status", "Kunde"}})).starts_with("2 ! unknown status \"x\""));
  CHECK(said(file, mapped({{"date", "Wann"}})) ==
        "! --map date=Wann: there is no such column; the file has \"Kunde\", \"Mail\", "
        "\"Status\", \"Seit\", \"Liste\"");
  CHECK(said(file, mapped({{"date", "6"}})).contains("there is no such column"));
  CHECK(said(file, mapped({{"when", "Seit"}})).contains("'when' is none of address, date"));
  // Without header: numbers.
  CHECK(said("x,a@x.example,2026-03-01\ny,b@x.example,\n",
             mapped({{"address", "2"}, {"date", "3"}})) ==
        "1 a@x.example|||2026-03-01T00:00:00Z\n2 b@x.example\n");
  // A column of a known format, said to be another.
  CHECK(said("Email Address,UNSUB_TIME,LAST_CHANGED\na@x.example,2020-01-01,2021-01-01\n",
             mapped({{"date", "LAST_CHANGED"}})) ==
        "2 a@x.example|unsubscribed||2021-01-01T00:00:00Z\n");
  CHECK(said("{\"kontakt\":{\"mail\":\"a@x.example\"}}\n", mapped({{"address", "kontakt.mail"}})) ==
        "1 a@x.example\n");
}

TEST_CASE("a format that is named") {
  constexpr std::string_view file = "email,created\na@x.example,2026-03-01\n";
  CHECK(recognised(file).starts_with("csv import"));
  CHECK(said(file, of_format("sendgrid-unsubscribes")) ==
        "2 a@x.example|unsubscribed||2026-03-01T00:00:00Z\n");
  CHECK(said(file, of_format("csv")) == "2 a@x.example\n");
  CHECK(recognised(file, of_format("postmark")) ==
        "! this is no postmark: its header lacks EmailAddress, SuppressionReason");
  CHECK(said("address,created_at\na@x.example,2026-03-01\n", of_format("csv")) ==
        "2 a@x.example\n");
  CHECK(recognised(file, of_format("postmrak"))
            .starts_with("! 'postmrak' is no format, did you mean postmark?; there are postern, "));
  CHECK(said("email\na@x.example\n", of_format("plain-list")).starts_with("1 ! "));
  CHECK(said("a@x.example,COMPLAINT\n", of_format("ses")) == "1 a@x.example|complained\n");
  CHECK(recognised("a@x.example\n", of_format("jsonl")).contains("not JSON lines"));
}

TEST_CASE("headers that are alike are told apart by their first row, to the side of restriction") {
  CHECK(recognised("email,created,ip\na@x.example,1443651141,192.0.2.1\n")
            .starts_with("sendgrid-spam-reports sendgrid UTF-8 , complained"));
  CHECK(recognised("email,created,ip\na@x.example,2026-03-01,192.0.2.1\n").starts_with("csv "));
  CHECK(recognised("created,email\n1443651141,a@x.example\n").starts_with("sendgrid-unsubscribes"));
  CHECK(recognised("address,created_at\na@x.example,2026-03-01\n")
            .starts_with("mailgun-complaints mailgun UTF-8 , complained"));
  CHECK(recognised("address,created_at,name\na@x.example,2026-03-01,A\n").starts_with("csv "));
  CHECK(recognised("EmailAddress,Reason\na@x.example,bored\n").starts_with("csv "));
  CHECK(recognised("Email,Address,Tags\na@x.example,1 Main St,vip\n").starts_with("csv "));
  CHECK(recognised("email,opt-out date\na@x.example,2026-03-01\n").starts_with("csv "));
  CHECK(recognised("email,created,reason,status\na@x.example,2026-03-01,x,bounced\n")
            .starts_with("csv "));
}

TEST_CASE("a date that could be two stops the reading") {
  const std::string file =
      "email,date\na@x.example,25/12/2026\nb@x.example,03/04/2026\nc@x.example,01/02/2026\n";
  CHECK(said(file) ==
        "2 a@x.example|||2026-12-25T00:00:00Z\n"
        "3 ! STOP '03/04/2026' may be two dates: say --dates dmy where the day comes first, or "
        "--dates mdy where the month does\n");
  CHECK(said(file, with_dates(DateOrder::day_first)).contains("3 b@x.example|||2026-04-03"));
  CHECK(said(file, with_dates(DateOrder::month_first))
            .contains("2 ! STOP '25/12/2026' contradicts --dates"));
  CHECK(said("Email;Abgemeldet\na@x.example;3/4/2026\n").contains("STOP"));
}

TEST_CASE("lines up to the limit are read, longer ones rejected, at every length around it") {
  constexpr std::size_t limit = 64UL * 1024;
  for (const std::string_view end : {"\n", "\r\n"}) {
    for (std::size_t length = limit - 3; length <= limit + 3; ++length) {
      CAPTURE(length);
      const std::string start = "a@x.example,";
      const std::string text = "email,reason\n" + start + std::string(length - start.size(), 'r') +
                               std::string(end) + "b@x.example,last\n";
      const bool fits = length + end.size() - 1 <= limit;
      const std::string got = said(text);
      CHECK(got.ends_with("3 b@x.example||||||last\n"));
      CHECK(got.starts_with(fits ? "2 a@x.example" : "2 ! longer than 64 KiB"));
    }
  }
  // A record of many lines is bounded as well, wherever the limit cuts it.
  for (std::size_t cut = limit - 20; cut <= limit + 8; ++cut) {
    CAPTURE(cut);
    const std::string start = "a@x.example,\"";
    const std::string text = "email,reason,until\n" + start + std::string(100, 'r') + "\n" +
                             std::string(cut - start.size() - 101, 'r') +
                             "\",2026-03-01\nb@x.example,,\n";
    const std::string got = said(text);
    if (got.starts_with("2 a@x.example")) {
      CHECK(got.contains("|2026-03-01T00:00:00Z|"));
    } else {
      CHECK(got.starts_with("2 ! "));
    }
    CHECK(got.ends_with("4 b@x.example\n"));
  }
  const std::string endless =
      "email\na@x.example\n" + std::string(3'000'000, 'x') + "\nb@x.example\n";
  CHECK(said(endless) == "2 a@x.example\n3 ! longer than 64 KiB\n4 b@x.example\n");
  CHECK(said(std::string(3'000'000, 'x')) == "1 ! longer than 64 KiB\n");
}

TEST_CASE("a file that is cut anywhere reads up to there") {
  const std::string whole =
      "email,status,reason\r\na@x.example,bounced,\"one,\r\n\"\"two\"\"\"\r\nb@x.example,,\r\n";
  const std::string first = "2 a@x.example|bounced|||||one,\r\n\"two\"\n";
  const std::size_t end_of_first = whole.find("b@x");
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    CAPTURE(size);
    const std::string got = said(std::string_view(whole).substr(0, size));
    if (size >= end_of_first) CHECK(got.starts_with(first));
  }
}

TEST_CASE("how far a file is read") {
  std::string file = "email\n";
  while (file.size() < 700'000) file += "somebody@x.example\n";
  std::istringstream in(file);
  RowReader reader(in, {});
  REQUIRE(reader.recognise());
  CHECK(reader.octets() == 6);
  std::uint64_t rows = 0;
  while (reader.next()) CHECK(reader.octets() == 6 + 19 * ++rows);
  CHECK(reader.octets() == file.size());
  CHECK(rows == (file.size() - 6) / 19);
}

TEST_CASE("objects of other members than the first") {
  std::string file =
      "{\"address\":\"a@x.example\",\"status\":\"bounced\",\"date\":\"2026-03-01\"}\n";
  std::string want = "1 a@x.example|bounced||2026-03-01T00:00:00Z\n";
  for (int i = 0; i < 200; ++i) {
    const std::string number = std::to_string(i);
    file +=
        "{\"n" + number + "\":0,\"address\":\"a" + number + "@x.example\",\"source\":\"web\"}\n";
    want += std::to_string(i + 2) + " a" + number + "@x.example|||||web\n";
  }
  CHECK(said(file) == want);
}
