// The parts of the reader, each by a table.
#include "policy/return_mail/address_scan.h"
#include "policy/return_mail/decode.h"
#include "policy/return_mail/delivery_status.h"
#include "policy/return_mail/feedback.h"
#include "policy/return_mail/header.h"
#include "policy/return_mail/html.h"
#include "policy/return_mail/mime.h"
#include "policy/return_mail/notice.h"
#include "policy/return_mail/status.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace postern::return_mail;

TEST_CASE("addresses in running text") {
  struct Row {
    std::string_view text, want;
  };
  const std::vector<Row> rows{
      {"write to ann@dest.example.", "ann@dest.example"},
      {"<ann@dest.example>:", "ann@dest.example"},
      {"'ann@dest.example'", "ann@dest.example"},
      {"宛先ann@dest.exampleです", "ann@dest.example"},
      {"<jörg@dest.example>", "jörg@dest.example"},
      {"\"ann smith\"@dest.example", "\"ann smith\"@dest.example"},
      {"ann..b.@dest.example", "ann..b.@dest.example"},
      {"ann@[192.0.2.1]", "ann@[192.0.2.1]"},
      {"user@localhost", ""},
      {"20260303.1@1.2", ""},
      {"a @ b.example", ""},
      {"@b.example", ""},
      {"a@b@c.example", "b@c.example"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto spot = next_address(row.text, 0);
    CHECK((spot ? row.text.substr(spot->begin, spot->end - spot->begin) : "") == row.want);
  }
}

TEST_CASE("addresses of a report's fields") {
  struct Row {
    std::string_view value, want, why;
  };
  const std::vector<Row> rows{
      {"rfc822; ann@dest.example", "ann@dest.example", "RFC 3464 section 2.3.2"},
      {" RFC822;<ann@dest.example>", "ann@dest.example", "case, brackets"},
      {"ann@dest.example", "ann@dest.example", "no type"},
      {"rfc822; ann@localhost", "ann@localhost", "one label"},
      {"rfc822;ann+2Bnews@dest.example", "ann+news@dest.example", "xtext"},
      {"rfc822;ann+20news@dest.example", "ann+20news@dest.example", "xtext needs no +20 here"},
      {"utf-8; \\x{F6}@dest.example", "ö@dest.example", "RFC 6533 section 3"},
      {"x400; /G=Ann/S=Smith/C=de/", "", "an X.400 name"},
      {"X-Unix; |/usr/bin/vacation ann@dest.example", "", "a pipe"},
      {"rfc822; /home/ann/mail", "", "a path"},
      {"", "", "nothing"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(address_of_field(row.value) == row.want);
  }
}

TEST_CASE("enhanced status codes") {
  struct Row {
    std::string_view text, want;
  };
  const std::vector<Row> rows{
      {"550 5.1.1 no such user", "5.1.1"},
      {"(#5.7.1)", "5.7.1"},
      {"550-5.7.26 x", "5.7.26"},
      {"5.0.0 then 5.2.2", "5.2.2"},
      {"5.0.0", "5.0.0"},
      {"2.1.5 ok, 4.7.0 later", "4.7.0"},
      {"host 5.1.2.3 said", ""},
      {"version 4.89.1b", ""},
      {"v5.1.1", ""},
      {"5.1.1@host", ""},
      {"5.1", ""},
      {"15.1.1", ""},
      {"5.1.1000", ""},
      {"at the end 4.4.1", "4.4.1"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(find_status(row.text) == row.want);
  }
  CHECK(find_reply_code("<<< 550 no") == 550);
  CHECK(find_reply_code("said: 421-later") == 421);
  CHECK(find_reply_code("192.0.2.450 and 5500, 550.1") == 0);
  CHECK(find_host("host mx.dest.example[192.0.2.1] said: 550") == "mx.dest.example");
  CHECK(find_host("the host is down").empty());
}

TEST_CASE("header sections, read leniently") {
  const auto message = parse_message("\nFrom x Tue Mar 3\nA: b\n c\n\td\nB : e\n\nbody\n");
  CHECK(message.header.value("a") == "b c d");
  CHECK(message.header.value("b") == "e");
  CHECK(message.header.value("c").empty());
  CHECK(message.body == "body\n");
  CHECK(parse_message("A: b\nno field\n").body == "no field\n");
  CHECK(parse_message("no field\n").body == "no field\n");
  CHECK(parse_message("").body.empty());
}

TEST_CASE("parts") {
  const auto types = [](std::string_view text) {
    std::string all;
    for (const auto& part : split_parts(parse_message(text)))
      all += part.type + ":" + std::string(part.body) + "|";
    return all;
  };
  CHECK(types("A: b\n\nx") == "text/plain:x|");
  CHECK(types("Content-Type: multipart/mixed; boundary=\"a b\"\n\n--a b\n\nx\n--a b  "
              "\nContent-Type: TEXT/HTML\n\ny\n--a b--\n--a b\n\nz") ==
        "text/plain:x\n|text/html:y\n|");
  // A boundary that begins another's.
  CHECK(types("Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; "
              "boundary=ab\n\n--ab\n\nx\n--ab--\n--a--\n") == "text/plain:x\n|");
  // Cut off; wrong; absent.
  CHECK(types("Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx") == "text/plain:x|");
  CHECK(types("Content-Type: multipart/mixed; boundary=a\n\n--other1\nContent-Type: "
              "text/html\n\nx\n--other1--\n") == "text/html:x\n|");
  CHECK(types("Content-Type: multipart/mixed\n\nx") == "text/plain:x|");
}

TEST_CASE("encodings and character sets") {
  CHECK(decode_transfer("YWJj", " BASE64 ") == "abc");
  CHECK(decode_transfer("a=3Db=\nc", "quoted-printable") == "a=bc");
  CHECK(decode_transfer("a=3D", "8bit") == "a=3D");
  CHECK(to_utf8("\x93\x8c\x8b\x9e", "Shift_JIS") == "東京");
  CHECK(to_utf8("\x1b$BEl5~\x1b(B", "") == "東京");
  CHECK(to_utf8("\xe5", "iso-8859-1") == "å");
  CHECK(to_utf8("gr\xc3\xbc\xc3\x9f", "no-such-set") == "grüß");
  CHECK(to_utf8("+AD0-", "unicode-1-1-utf-7") == "=");
  // Without a label: a letter alone is a Latin one, whatever pair it would make with its neighbour.
  CHECK(to_utf8("Empf\xe4nger gel\xf6scht", "") == "Empfänger gelöscht");
  CHECK(to_utf8("pas \xe9t\xe9 d\xe9livr\xe9: l\x92"
                "adresse",
                "") == "pas été délivré: l’adresse");
  CHECK(to_utf8("\x83\x54\x81\x5b\x83\x6f\x81\x5b\x82\xcc", "") == "サーバーの");
  CHECK(to_utf8("\xd3\xca\xcf\xe4 full", "") == "邮箱 full");
  CHECK(decode_words("=?UTF-8?Q?gr=C3=BC?= =?utf-8?b?w58=?= und =?x?=") == "grüß und =?x?=");
  CHECK(decode_words("=?utf-8*en?q?a_b?=") == "a b");
}

TEST_CASE("HTML as text") {
  CHECK(html_to_text("<p>a &amp; b</p><style>x{}</style>c<br>d &#233; &lt;e@f.example&gt;") ==
        "\na & b\n\nc\nd é <e@f.example>");
  CHECK(html_to_text("<e@f.example>") == "<e@f.example>");
  CHECK(html_to_text("a<!-- b") == "a");
  CHECK(html_to_text("Bo&icirc;te&nbsp;pleine, &Uuml;ber&szlig; &yuml; &none;") ==
        "Boîte pleine, Überß ÿ &none;");
}

TEST_CASE("where the returned message begins") {
  const auto lines = [](std::string text) { return Notice(std::move(text)).lines().size(); };
  CHECK(lines("a@b.example failed\n--- Original message follows.\n\nX: y\n") == 1);
  CHECK(lines("a\nb\nReceived: from x\n\tby y\nSubject: z\n") == 2);
  CHECK(lines("a\n> Received: from x\n> Subject: z\n") == 1);
  CHECK(lines("a copy of the message is kept\nb\n") == 2);
  CHECK(Notice("a\n--- Original message follows.\nX: y\n").returned() == "X: y\n");
}

TEST_CASE("feedback fields") {
  const auto feedback = parse_feedback(
      "Feedback-Type: Abuse\nOriginal-Rcpt-To: <a@b.example>\nOriginal-Rcpt-To: "
      "A@b.example\nReporting-MTA: dns; mx.b.example\n");
  CHECK(feedback.type == "abuse");
  CHECK(feedback.recipients == std::vector<std::string>{"a@b.example"});
  CHECK(feedback.reporting_mta == "mx.b.example");
  CHECK(parse_feedback("Original-Rcpt-To: redacted\n").redacted);
}
