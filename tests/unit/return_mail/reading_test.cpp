// Golden mail: tests/golden/return_mail/NAME.eml, and in NAME.jsonl a line for each recipient that
// it names. Of a line "diagnostic_has" is a part of the diagnostic (line ends as blanks) and
// "diagnostic" all of it; what it leaves out, the mail does not say.
#include "policy/return_mail/reading.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

using namespace postern;
using namespace postern::return_mail;
namespace {

const std::filesystem::path golden = POSTERN_TESTS_DIR "/golden/return_mail";

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<boost::json::object> wanted(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<boost::json::object> lines;
  for (std::string line; std::getline(file, line);)
    lines.push_back(boost::json::parse(line).as_object());
  return lines;
}

std::string text_of(const boost::json::object& object, std::string_view name) {
  const auto* const value = object.if_contains(name);
  return value == nullptr ? std::string() : std::string(value->as_string());
}

Reading read_text(std::string_view text) { return read(text, classify::Classifier::built_in()); }

void compare(const Finding& got, const boost::json::object& want) {
  CHECK(to_string(got.type) == text_of(want, "type"));
  CHECK(got.recipient == text_of(want, "recipient"));
  CHECK(got.final_recipient == text_of(want, "final_recipient"));
  CHECK(got.status == text_of(want, "status"));
  CHECK(got.action == text_of(want, "action"));
  std::string diagnostic = got.diagnostic;
  std::ranges::replace(diagnostic, '\n', ' ');
  CHECK_MESSAGE(diagnostic.contains(text_of(want, "diagnostic_has")), diagnostic);
  if (want.contains("diagnostic")) CHECK(diagnostic == text_of(want, "diagnostic"));
  if (want.contains("reason")) CHECK(to_string(*got.reason) == text_of(want, "reason"));
  using policy::ReturnType;
  CHECK(got.bounce_class.has_value() == (got.type == ReturnType::bounce));
  CHECK(got.reason.has_value() ==
        (got.type == ReturnType::bounce || got.type == ReturnType::delayed));
}

}  // namespace

TEST_CASE("golden return mail is read as a person reads it") {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden)) {
    if (entry.path().extension() != ".eml") continue;
    ++files;
    CAPTURE(entry.path().filename().string());
    auto expected = entry.path();
    const auto want = wanted(expected.replace_extension(".jsonl"));
    const auto reading = read_text(contents(entry.path()));
    if (reading.findings.empty()) {
      REQUIRE(want.size() == 1);
      CHECK(to_string(reading.type) == text_of(want[0], "type"));
      CHECK_FALSE(want[0].contains("recipient"));
      continue;
    }
    REQUIRE(reading.findings.size() == want.size());
    for (std::size_t i = 0; i < want.size(); ++i) compare(reading.findings[i], want[i]);
  }
  CHECK(files >= 40);
}

TEST_CASE("a mail cut at any octet is still read, and names nobody else") {
  for (const std::string_view name :
       {"report-several", "qmail-two", "sendmail-transcript", "arf-two"}) {
    CAPTURE(name);
    const std::string whole = contents(golden / (std::string(name) + ".eml"));
    const auto named = [](const Reading& reading) {
      std::set<std::string> names;
      for (const auto& finding : reading.findings) names.insert(finding.recipient);
      return names;
    };
    // An address that is cut is another; so is one whose domain lacks its end.
    const std::string last = *named(read_text(whole)).rbegin();
    for (std::size_t length = 0; length < whole.size(); length += 7) {
      for (const auto& one : named(read_text(std::string_view(whole).substr(0, length)))) {
        CHECK_MESSAGE((one.empty() || one.contains('@')), one);
      }
    }
    CHECK(last.contains('@'));
  }
}

TEST_CASE("the headers and the identifier of the returned message are told") {
  for (const std::string_view name : {"report-plain", "qmail-two", "arf-abuse"}) {
    CAPTURE(name);
    const auto reading = read_text(contents(golden / (std::string(name) + ".eml")));
    CHECK(reading.message_id == "<orig-1@shop.example>");
    CHECK(reading.returned_header.starts_with("Return-Path: <news-7@shop.example>\nReceived:"));
    CHECK_FALSE(reading.returned_header.contains("Hello there"));
  }
}

TEST_CASE("the mail as a whole is the worst that it says, and its subject is decoded") {
  CHECK(read_text(contents(golden / "report-several.eml")).type == policy::ReturnType::bounce);
  CHECK(read_text(contents(golden / "german.eml")).subject == "Unzustellbar: Frühling");
  CHECK(read_text(contents(golden / "report-plain.eml")).reporting_mta == "mx.reporter.example");
  CHECK(read_text(contents(golden / "arf-two.eml")).feedback_type == "fraud");
}

TEST_CASE("hostile mail takes time by its length and names a bounded number") {
  constexpr std::size_t mebibyte = 1U << 20U;
  const auto repeated = [](std::string_view unit) {
    std::string text;
    while (text.size() < mebibyte) text += unit;
    return text;
  };
  const std::string bounce = "From: MAILER-DAEMON@x.example\nSubject: failure notice\n";
  std::string nested = bounce;
  for (int i = 0; i < 20000; ++i) {
    const std::string number = std::to_string(i);
    nested += "Content-Type: multipart/mixed; boundary=b" + number + "\n\n--b" + number + "\n";
  }
  // Of each the notice is asked what was refused, and it has no blank line.
  std::string crowd = bounce + "Content-Type: multipart/report; boundary=b\n\n--b\n\n" +
                      repeated("it said no such user ").substr(0, 1U << 16U) +
                      "\n--b\nContent-Type: message/delivery-status\n\n";
  for (int i = 0; i < 2000; ++i) {
    crowd += "Final-Recipient: rfc822; a" + std::to_string(i) +
             "@b.example\nAction: failed\nDiagnostic-Code: smtp; 550 user unknown\n\n";
  }
  const std::vector<std::string> texts{
      repeated("@"),
      repeated("a@b.c "),
      repeated("<"),
      bounce + "\nnot delivered\n" + repeated("<a@b.example>:\n550 x\n\n"),
      bounce + "\nnot delivered\n" + repeated("<a@b.example> "),
      bounce + "X-Failed-Recipients: " + repeated("a@b.example, ") + "\n\nnot delivered",
      bounce + "To: " + repeated("<a@b.example>, ") + "\n\n<a@b.example>:\n",
      bounce + "Content-Type: text/html\n\n" + repeated("<a <!-- "),
      bounce + "Content-Type: text/plain; " + repeated("a=\"b\"; ") + "\n\nx",
      bounce + "Content-Type: multipart/mixed; boundary=a\n\n" + repeated("--a\n\n"),
      bounce + "Content-Type: multipart/mixed; boundary=a\n\n" + repeated("--b\nContent-x\n"),
      bounce + "Content-Type: message/delivery-status\n\n" +
          repeated("Final-Recipient: rfc822; a@b.example\nAction: failed\n"),
      bounce + "Content-Transfer-Encoding: base64\n\n" + repeated("YUBi"),
      "Subject: " + repeated("=?utf-8?b?YQ==?= "),
      "Subject: " + repeated("=?"),
      repeated("A: b\n"),
      bounce + "\n" + repeated("Received: x\n\n"),
      bounce + "\n" + repeated("5.1.1 4.4.4.4 "),
      nested,
      crowd,
  };
  for (const auto& text : texts) {
    CAPTURE(text.substr(0, 120));
    const auto start = std::chrono::steady_clock::now();
    const auto reading = read_text(text);
    const auto took = std::chrono::steady_clock::now() - start;
    CHECK(reading.findings.size() <= max_findings);
    // Quadratic would be minutes; sanitizers and a busy machine have their allowance.
    CHECK(took < std::chrono::seconds(5));
  }
}
