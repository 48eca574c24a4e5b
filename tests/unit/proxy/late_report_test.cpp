// The report on recipients that were refused late: as RFC 3464 has it, whatever others wrote.
#include "proxy/late_report.h"

#include "proxy/wire/data.h"

#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::proxy;

namespace {

policy::Mailbox mailbox(std::string_view text) {
  auto parsed = policy::parse_mailbox(text);
  REQUIRE(parsed);
  return *std::move(parsed);
}

struct Wanted {
  std::string orcpt{};
  std::string envid{};
  std::string reply = "552 5.2.2 mailbox full\r\n";
  bool whole = false;
  bool ascii = false;
  std::string section = "Subject: hello\r\n\r\n";
};

std::string report_of(const Wanted& wanted) {
  const auto sender = mailbox("news@example.org");
  const Recipient recipient{.path = mailbox("full@example.com"),
                            .parameters = {.notify = "", .orcpt = wanted.orcpt}};
  const std::vector<LateRefusal> refused{
      {&recipient, {.code = std::stoi(wanted.reply), .text = wanted.reply}}};
  const auto text = late_report({.hostname = "gate.example",
                                 .id = "ab-1",
                                 .reverse_path = &sender,
                                 .envid = wanted.envid,
                                 .section = wanted.section,
                                 .whole = wanted.whole,
                                 .ascii = wanted.ascii},
                                refused);
  return text.front + (wanted.whole ? "..body\r\n" : "") + text.end;
}

// One message: its end is its last octets, and nothing in it is a bare CR or LF.
void check_whole(const std::string& report) {
  wire::DataScanner scanner;
  const auto piece = scanner.scan(report);
  CHECK(scanner.finished());
  CHECK(scanner.fault() == wire::DataScanner::Fault::none);
  CHECK(piece.consumed == report.size());
}

}  // namespace

TEST_CASE("late report: what it names") {
  const auto report = report_of({.orcpt = "rfc822;full+2Btag@example.com", .envid = "QQ+2B1"});
  check_whole(report);
  for (const std::string_view line :
       {"To: <news@example.org>\r\n", "Auto-Submitted: auto-replied\r\n",
        "Reporting-MTA: dns; gate.example\r\n", "Original-Envelope-Id: QQ+1\r\n",
        "Original-Recipient: rfc822; full+tag@example.com\r\n",
        "Final-Recipient: rfc822; full@example.com\r\n", "Action: failed\r\nStatus: 5.2.2\r\n",
        "Diagnostic-Code: smtp; 552 5.2.2 mailbox full\r\n",
        "Content-Type: text/rfc822-headers\r\n", "\r\n\r\nSubject: hello\r\n\r\n"}) {
    CAPTURE(line);
    CHECK(report.contains(line));
  }
}

TEST_CASE("late report: what others wrote never ends a line, or the message") {
  for (const std::string_view evil :
       {"x+0D+0A.+0D+0AMAIL+20FROM:<a@b>+0D+0A", "+00", "+0D", "+0A.+0A", "+C3+BC", "+7F"}) {
    CAPTURE(evil);
    const auto report =
        report_of({.orcpt = "rfc822;" + std::string(evil), .envid = std::string(evil)});
    check_whole(report);
    CHECK_FALSE(report.contains("\r\nMAIL FROM"));
  }
  const auto long_words = report_of({.reply = "550-" + std::string(1990, 'x') + "\r\n550 no\r\n"});
  check_whole(long_words);
  for (std::size_t at = 0; at < long_words.size();) {
    const auto end = long_words.find("\r\n", at);
    CHECK(end - at <= 998);
    at = end + 2;
  }
}

TEST_CASE("late report: a reply without a status, the whole message, an upstream of seven bits") {
  CHECK(report_of({.reply = "554 go away\r\n"}).contains("\r\nStatus: 5.0.0\r\n"));
  CHECK(report_of({.reply = "554 4.7.1 go away\r\n"}).contains("\r\nStatus: 5.0.0\r\n"));
  const auto whole = report_of({.whole = true});
  check_whole(whole);
  CHECK(whole.contains("Content-Type: message/rfc822\r\n"));
  CHECK(whole.contains("Subject: hello\r\n\r\n..body\r\n\r\n--"));
  const auto ascii = report_of({.ascii = true, .section = "Subject: gr\xC3\xBC\xC3\x9F\r\n\r\n"});
  check_whole(ascii);
  CHECK(ascii.contains("Subject: gr????\r\n"));
  CHECK(report_of({.section = "Subject: gr\xC3\xBC\xC3\x9F\r\n\r\n"})
            .contains("Content-Transfer-Encoding: 8bit"));
}

TEST_CASE("late report: NOTIFY says who wants one") {
  const auto wants = [](std::string notify) {
    return wants_failure({.path = {}, .parameters = {.notify = std::move(notify), .orcpt = ""}});
  };
  CHECK(wants(""));
  CHECK(wants("SUCCESS,FAILURE"));
  CHECK_FALSE(wants("NEVER"));
  CHECK_FALSE(wants("SUCCESS,DELAY"));
}
