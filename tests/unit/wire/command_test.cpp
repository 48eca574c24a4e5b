#include "proxy/wire/command.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using wire::announces_chunk;
using wire::Body;
using wire::Command;
using wire::parse_command;
using wire::Verb;

namespace {

std::string sent_on(const Command& command) {
  std::string out;
  if (command.verb == Verb::mail) wire::append_mail(out, command.path, command.mail, true);
  if (command.verb == Verb::rcpt) wire::append_rcpt(out, command.path, command.recipient);
  return out;
}

std::string x(std::size_t count) { return std::string(count, 'x'); }

// The beginning of the error's reply: code and enhanced status code.
std::string error_of(std::string_view line) {
  const Command command = parse_command(line);
  return command.error ? command.error->text.substr(0, 9) : "";
}

}  // namespace

TEST_CASE("commands without a path") {
  struct Case {
    std::string line;
    Verb verb;
    std::string argument;
    std::string_view why;
  };
  const std::vector<Case> cases{
      {"EHLO client.example.com", Verb::ehlo, "client.example.com", "RFC 5321 section 4.1.1.1"},
      {"HELO client", Verb::helo, "client", "a name without a dot is common"},
      {"EHLO [192.0.2.1]", Verb::ehlo, "[192.0.2.1]", "address literal"},
      {"helo my old machine", Verb::helo, "my old machine", "the field sends blanks"},
      {"eHlO x", Verb::ehlo, "x", "verbs have no case"},
      {"EHLO  x  ", Verb::ehlo, "x", "blanks at either end"},
      {"EHLO " + x(255), Verb::ehlo, x(255), "the longest name"},
      {"DATA", Verb::data, "", ""},
      {"data", Verb::data, "", ""},
      {"DATA ", Verb::data, "", "section 4.1.1: trailing white space"},
      {"RSET \t ", Verb::rset, "", "a tab is white space too"},
      {"QUIT", Verb::quit, "", ""},
      {"NOOP", Verb::noop, "", ""},
      {"NOOP are you there?", Verb::noop, "are you there?",
       "section 4.1.1.9: the string is ignored"},
      {"HELP", Verb::help, "", ""},
      {"HELP MAIL", Verb::help, "MAIL", ""},
      {"VRFY somebody", Verb::vrfy, "somebody", ""},
      {"EXPN a list", Verb::expn, "a list", ""},
  };
  for (const auto& [line, verb, argument, why] : cases) {
    CAPTURE(line);
    CAPTURE(why);
    const Command command = parse_command(line);
    CHECK_FALSE(command.error.has_value());
    CHECK(command.verb == verb);
    CHECK(command.argument == argument);
  }
}

TEST_CASE("MAIL and RCPT are written anew from what was parsed") {
  struct Case {
    std::string line;
    std::string_view want;
    std::string_view why;
  };
  const std::vector<Case> cases{
      {"MAIL FROM:<a@example.com>", "MAIL FROM:<a@example.com>", ""},
      {"mail from:<a@example.com>", "MAIL FROM:<a@example.com>", "no case"},
      {"MAIL FROM: <a@example.com>", "MAIL FROM:<a@example.com>", "a blank that the field sends"},
      {"MAIL  FROM:   <a@example.com>  ", "MAIL FROM:<a@example.com>", "any number of blanks"},
      {"MAIL FROM:<>", "MAIL FROM:<>", "null reverse-path"},
      {"MAIL FROM:<> BODY=7BIT", "MAIL FROM:<> BODY=7BIT", ""},
      {"MAIL FROM:<@relay.example,@other.example:a@example.com>", "MAIL FROM:<a@example.com>",
       "RFC 5321 section 4.1.1.3: the source route is dropped"},
      {"MAIL FROM:<A.b@EXAMPLE.com>", "MAIL FROM:<A.b@example.com>",
       "the case of the local part is kept"},
      {"MAIL FROM:<\"a b>\\\" SIZE=1\"@example.com> SIZE=2",
       "MAIL FROM:<\"a b>\\\" SIZE=1\"@example.com> SIZE=2",
       "bracket, quote and blank in a quoted local part"},
      {"MAIL FROM:<\"ab\"@example.com>", "MAIL FROM:<ab@example.com>",
       "quotes that are not needed"},
      {"MAIL FROM:<a@example.com> size=0 body=8bitmime smtputf8 ret=hdrs envid=Q+2B1",
       "MAIL FROM:<a@example.com> SIZE=0 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=Q+2B1",
       "keywords have no case"},
      {"MAIL FROM:<a@example.com>   RET=FULL    SIZE=7",
       "MAIL FROM:<a@example.com> SIZE=7 RET=FULL", "blanks between parameters"},
      {"MAIL FROM:<a@example.com> SIZE=4611686018427387904",
       "MAIL FROM:<a@example.com> SIZE=4611686018427387904", "2^62"},
      {"MAIL FROM:<a@example.com> SIZE=4611686018427387905",
       "MAIL FROM:<a@example.com> SIZE=4611686018427387904", "above, a size saturates"},
      {"MAIL FROM:<a@example.com> SIZE=99999999999999999999",
       "MAIL FROM:<a@example.com> SIZE=4611686018427387904", "20 digits: more than 64 bits hold"},
      {"MAIL FROM:<a@example.com> SIZE=00000000000000000001", "MAIL FROM:<a@example.com> SIZE=1",
       "leading zeros"},
      {"MAIL FROM:<\xc3\xa9@example.com> SMTPUTF8", "MAIL FROM:<\xc3\xa9@example.com> SMTPUTF8",
       "RFC 6531"},
      {"MAIL FROM:<a@\xc3\xa9.example>", "MAIL FROM:<a@xn--9ca.example>",
       "a U-label goes on as an A-label"},
      {"MAIL FROM:<a@example.com> ENVID=" + x(100), "", "the longest ENVID"},
      {"RCPT TO:<a@example.com>", "RCPT TO:<a@example.com>", ""},
      {"rcpt to: <a@[192.0.2.1]> ", "RCPT TO:<a@[192.0.2.1]>", "address literal"},
      {"RCPT TO:<postmaster>", "RCPT TO:<postmaster>", "RFC 5321 section 4.1.1.3"},
      {"RCPT TO:<Postmaster>", "RCPT TO:<Postmaster>", ""},
      {"RCPT TO:<a@example.com> NOTIFY=never", "RCPT TO:<a@example.com> NOTIFY=NEVER", ""},
      {"RCPT TO:<a@example.com> NOTIFY=success,Delay,FAILURE",
       "RCPT TO:<a@example.com> NOTIFY=SUCCESS,DELAY,FAILURE", ""},
      {"RCPT TO:<a@example.com> ORCPT=rfc822;b+40c+3Dd NOTIFY=DELAY",
       "RCPT TO:<a@example.com> NOTIFY=DELAY ORCPT=rfc822;b+40c+3Dd", "xtext as it was sent"},
      {"RCPT TO:<a@example.com> ORCPT=utf-8;\\x{E9}@example.com",
       "RCPT TO:<a@example.com> ORCPT=utf-8;\\x{E9}@example.com", "RFC 6533 section 3"},
      {"RCPT TO:<a@example.com> ORCPT=rfc822;" + x(493), "", "the longest ORCPT"},
      {"RCPT TO:<\xc3\xa9@example.com>", "RCPT TO:<\xc3\xa9@example.com>",
       "whether it may come, the session knows"},
  };
  for (const auto& [line, want, why] : cases) {
    CAPTURE(line);
    CAPTURE(why);
    const Command command = parse_command(line);
    CHECK_FALSE(command.error.has_value());
    CHECK(sent_on(command) == (want.empty() ? line : std::string(want)) + "\r\n");
  }
}

TEST_CASE("values of MAIL and RCPT") {
  const Command mail =
      parse_command("MAIL FROM:<a@example.com> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=e1");
  CHECK(mail.path == policy::Mailbox{"a", "example.com"});
  CHECK(mail.mail.size == 12);
  CHECK(mail.mail.body == Body::eight_bit_mime);
  CHECK(mail.mail.smtputf8);
  CHECK(mail.mail.ret == "FULL");
  CHECK(mail.mail.envid == "e1");

  const Command plain = parse_command("MAIL FROM:<>");
  CHECK(plain.path.empty());
  CHECK_FALSE(plain.mail.size.has_value());
  CHECK(plain.mail.body == Body::unspecified);
  CHECK_FALSE(plain.mail.smtputf8);

  std::string without_size;
  wire::append_mail(without_size, mail.path, mail.mail, false);
  CHECK(without_size == "MAIL FROM:<a@example.com> BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=e1\r\n");
}

TEST_CASE("lines that are no valid command get the reply that the RFC has for them") {
  struct Case {
    std::string line;
    std::string_view want;
    std::string_view why;
  };
  using namespace std::string_literals;
  const std::vector<Case> cases{
      {"", "500 5.5.2", "empty line"},
      {"   ", "500 5.5.2", "blanks alone"},
      {" NOOP", "500 5.5.2", "a command begins its line"},
      {"NOOP\0"s, "500 5.5.2", "NUL"},
      {"NOOP \x07", "500 5.5.2", "control"},
      {"NOOP\rRSET", "500 5.5.2", "bare CR"},
      {"NOOP\nRSET", "500 5.5.2", "bare LF"},
      {"MAIL\tFROM:<a@example.com>", "500 5.5.2", "a tab is no separator"},
      {"MAIL FROM:<a\x7f@example.com>", "500 5.5.2", "DEL"},
      {"EHLO \xc3\xa9", "500 5.5.2", "UTF-8 where none may be"},
      {"\xff\xfe", "500 5.5.2", "no text at all"},
      {"FOO", "500 5.5.1", "unknown"},
      {"DATAX", "500 5.5.1", "unknown"},
      {"GET / HTTP/1.1", "500 5.5.1", "another protocol"},
      {"MAILFROM:<a@example.com>", "500 5.5.1", "no blank"},
      {"BDAT", "501 5.5.4", "needs a number"},
      {"BDAT LAST", "501 5.5.4", "needs a number"},
      {"BDAT -1", "501 5.5.4", "no number"},
      {"BDAT 12x", "501 5.5.4", "no number"},
      {"BDAT 12 FIRST", "501 5.5.4", "RFC 3030 section 2: LAST, or nothing"},
      {"BDAT 12 LAST LAST", "501 5.5.4", ""},
      {"BDATA 5", "500 5.5.1", "unknown"},
      {"STARTTLS now", "501 5.5.4", "RFC 3207 section 4"},
      {"AUTH", "501 5.5.4", ""},
      {"AUTH two/words", "501 5.5.4", "no mechanism"},
      {"AUTH PLAIN AGEAYg", "501 5.5.2", "no base64"},
      {"AUTH PLAIN AGEAYg== more", "501 5.5.2", "no base64"},
      {"etrn example.com", "502 5.5.1", ""},
      {"TURN", "502 5.5.1", ""},
      {"EHLO", "501 5.5.4", "needs a name"},
      {"HELO ", "501 5.5.4", "needs a name"},
      {"EHLO " + x(256), "501 5.5.4", "no name is that long"},
      {"DATA now", "501 5.5.4", ""},
      {"RSET x", "501 5.5.4", ""},
      {"QUIT x", "501 5.5.4", ""},
      {"VRFY", "501 5.5.4", ""},
      {"EXPN", "501 5.5.4", ""},
      {"MAIL", "501 5.5.4", ""},
      {"MAIL <a@example.com>", "501 5.5.4", "no FROM:"},
      {"MAIL FROM <a@example.com>", "501 5.5.4", "no colon"},
      {"MAIL TO:<a@example.com>", "501 5.5.4", "that is RCPT"},
      {"MAIL FROM:", "501 5.5.4", "no path"},
      {"MAIL FROM:   ", "501 5.5.4", "no path"},
      {"MAIL FROM:a@example.com", "501 5.1.7", "no brackets"},
      {"MAIL FROM:<a@example.com", "501 5.1.7", "not closed"},
      {"MAIL FROM:<\"a@example.com>", "501 5.1.7", "a quote that does not end"},
      {"MAIL FROM:<a\"\\", "501 5.1.7", "ends in a backslash"},
      {"MAIL FROM:<a@>", "501 5.1.7", "no domain"},
      {"MAIL FROM:<a>", "501 5.1.7", "no domain"},
      {"MAIL FROM:< >", "501 5.1.7", "a blank is no path"},
      {"MAIL FROM:<postmaster>", "501 5.1.7", "a forward-path only"},
      {"MAIL FROM:<a b@example.com>", "501 5.1.7", "a blank without quotes"},
      {"MAIL FROM:<a@example.com>SIZE=1", "501 5.5.4", "no blank behind the path"},
      {"MAIL FROM:<a@example.com>>", "501 5.5.4", ""},
      {"MAIL FROM:<a@example.com> SIZE", "501 5.5.4", "no value"},
      {"MAIL FROM:<a@example.com> SIZE=", "501 5.5.4", "no value"},
      {"MAIL FROM:<a@example.com> SIZE=-1", "501 5.5.4", ""},
      {"MAIL FROM:<a@example.com> SIZE=0x10", "501 5.5.4", ""},
      {"MAIL FROM:<a@example.com> SIZE=100000000000000000000", "501 5.5.4", "21 digits"},
      {"MAIL FROM:<a@example.com> SIZE=1 size=1", "501 5.5.4", "twice"},
      {"MAIL FROM:<a@example.com> BODY", "501 5.5.4", "no value"},
      {"MAIL FROM:<a@example.com> BODY=BINARYMIME", "501 5.5.4", "RFC 3030 is not offered"},
      {"MAIL FROM:<a@example.com> BODY=8BIT", "501 5.5.4", ""},
      {"MAIL FROM:<a@example.com> SMTPUTF8=yes", "501 5.5.4", "has no value"},
      {"MAIL FROM:<a@example.com> SMTPUTF8=", "501 5.5.4", "has no value"},
      {"MAIL FROM:<a@example.com> RET=BODY", "501 5.5.4", ""},
      {"MAIL FROM:<a@example.com> ENVID=", "501 5.5.4", ""},
      {"MAIL FROM:<a@example.com> ENVID=a+2", "501 5.5.4", "no xtext"},
      {"MAIL FROM:<a@example.com> ENVID=a+2b", "501 5.5.4",
       "hexadecimal digits of xtext are upper case"},
      {"MAIL FROM:<a@example.com> ENVID=a=b", "501 5.5.4", "no xtext"},
      {"MAIL FROM:<a@example.com> ENVID=" + x(101), "501 5.5.4", "RFC 3461 section 4.4"},
      {"MAIL FROM:<a@example.com> ENVID=\xc3\xa9", "501 5.5.4", "UTF-8 outside of the path"},
      {"MAIL FROM:<a@example.com> =1", "501 5.5.4", "no keyword"},
      {"MAIL FROM:<a@example.com> -A=1", "501 5.5.4", "no keyword"},
      {"MAIL FROM:<a@example.com> (comment)", "501 5.5.4", "no keyword"},
      {"MAIL FROM:<a@example.com> AUTH=a+4", "501 5.5.4", "no xtext"},
      {"MAIL FROM:<a@example.com> X-FOO", "555 5.5.4", ""},
      {"MAIL FROM:<a@example.com> NOTIFY=NEVER", "555 5.5.4", "a parameter of RCPT"},
      {"MAIL FROM:<\xc3\xa9@example.com>", "553 5.6.7", "RFC 6531 section 3.5"},
      {"MAIL FROM:<\xff@example.com> SMTPUTF8", "501 5.1.7", "no UTF-8"},
      {"RCPT", "501 5.5.4", ""},
      {"RCPT TO:", "501 5.5.4", ""},
      {"RCPT FROM:<a@example.com>", "501 5.5.4", ""},
      {"RCPT TO:<>", "501 5.1.3", "the null path is nobody's"},
      {"RCPT TO:a@example.com", "501 5.1.3", "no brackets"},
      {"RCPT TO:<somebody>", "501 5.1.3", "no domain"},
      {"RCPT TO:<a@b@c>", "501 5.1.3", ""},
      {"RCPT TO:<a@example.com> <b@example.com>", "501 5.5.4", "one path a command"},
      {"RCPT TO:<a@example.com> SIZE=1", "555 5.5.4", "a parameter of MAIL"},
      {"RCPT TO:<a@example.com> NOTIFY=", "501 5.5.4", ""},
      {"RCPT TO:<a@example.com> NOTIFY=NEVER,SUCCESS", "501 5.5.4", "NEVER stands alone"},
      {"RCPT TO:<a@example.com> NOTIFY=SUCCESS,", "501 5.5.4", ""},
      {"RCPT TO:<a@example.com> NOTIFY=,SUCCESS", "501 5.5.4", ""},
      {"RCPT TO:<a@example.com> NOTIFY=ALWAYS", "501 5.5.4", ""},
      {"RCPT TO:<a@example.com> NOTIFY=DELAY NOTIFY=DELAY", "501 5.5.4", "twice"},
      {"RCPT TO:<a@example.com> ORCPT=a@example.com", "501 5.5.4", "no type"},
      {"RCPT TO:<a@example.com> ORCPT=;a@example.com", "501 5.5.4", "no type"},
      {"RCPT TO:<a@example.com> ORCPT=rfc822;", "501 5.5.4", "no address"},
      {"RCPT TO:<a@example.com> ORCPT=rfc(822;a", "501 5.5.4", "no atom"},
      {"RCPT TO:<a@example.com> ORCPT=rfc822;a+4", "501 5.5.4", "no xtext"},
      {"RCPT TO:<a@example.com> ORCPT=rfc822;" + x(494), "501 5.5.4", "RFC 3461 section 4.2"},
  };
  for (const auto& [line, want, why] : cases) {
    CAPTURE(line);
    CAPTURE(why);
    CHECK(error_of(line) == want);
  }
}

TEST_CASE("an error is one line of ASCII, whatever the client sent") {
  const std::vector<std::string> hostile{
      "\xff" + x(5000),
      x(5000),
      "MAIL FROM:<" + x(4000),
      "MAIL FROM:<" + x(4000) + ">",
      "MAIL FROM:<" + std::string(3000, '"') + "@example.com>",
      "RCPT TO:<\xc3\xa9" + x(300) + "@example.com>",
      "RCPT TO:<a@example.com> " + x(3000) + "=1",
      "RCPT TO:<a@example.com> \xe2\x80\xae" + x(3000),
  };
  for (const auto& line : hostile) {
    const Command command = parse_command(line);
    REQUIRE(command.error.has_value());
    const std::string& text = command.error->text;
    CHECK(text.size() <= 512);
    CHECK(text.ends_with("\r\n"));
    for (const char c : text.substr(0, text.size() - 2)) CHECK((c >= ' ' && c <= '~'));
  }
}

TEST_CASE("a verb stays known when its arguments are bad") {
  CHECK(parse_command("MAIL FROM:a").verb == Verb::mail);
  CHECK(parse_command("RCPT TO:<>").verb == Verb::rcpt);
  CHECK(parse_command("DATA x").verb == Verb::data);
  CHECK(parse_command("FOO").verb == Verb::unknown);
}

TEST_CASE("octets that BDAT announces are no commands, also where something is wrong with it") {
  struct Case {
    std::string_view line;
    Verb verb;
    std::optional<std::uint64_t> octets;
    bool last;
  };
  const std::vector<Case> cases{
      {"BDAT 86", Verb::bdat, 86, false},
      {"bdat 1000 last", Verb::bdat, 1000, true},
      {"BDAT  7  LAST ", Verb::bdat, 7, true},
      {"BDAT 0 LAST", Verb::bdat, 0, true},
      {"BDAT 00000000000000000000000012", Verb::bdat, 12, false},
      {"BDAT 99999999999999999999999", Verb::bdat, UINT64_MAX, false},
      {"BDAT 12 FIRST", Verb::bdat, 12, false},
      {"BDAT", Verb::bdat, std::nullopt, false},
      {"BDAT x", Verb::bdat, std::nullopt, false},
      {"BDAT -1", Verb::bdat, std::nullopt, false},
      {"BDAT 12x LAST", Verb::bdat, std::nullopt, true},
      {"BDAT\t12", Verb::bdat, std::nullopt, false},
      {"BDAT 12 \xff", Verb::bdat, std::nullopt, false},
      {"BDATA 5", Verb::unknown, std::nullopt, false},
      {"NOOP 5", Verb::noop, std::nullopt, false},
  };
  for (const auto& [line, verb, octets, last] : cases) {
    CAPTURE(line);
    const auto command = parse_command(line);
    CHECK(command.verb == verb);
    CHECK(command.chunk == octets);
    CHECK(command.last == last);
  }
}

TEST_CASE("a line that begins as BDAT does") {
  for (const std::string_view line : {"BDAT", "bdat 5", "BDAT\t5", "BDAT\r5", "BDAT\n"}) {
    CAPTURE(line);
    CHECK(announces_chunk(line));
  }
  for (const std::string_view line : {"", "BDA", "BDATA 5", "BDAT5", "DATA", " BDAT 5"}) {
    CAPTURE(line);
    CHECK_FALSE(announces_chunk(line));
  }
}
