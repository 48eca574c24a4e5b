#include "policy/classify/classifier.h"

#include "policy/classify/embedded.h"
#include "policy/classify/rule_file.h"
#include "policy/decision.h"

#include <chrono>
#include <fstream>
#include <set>
#include <sstream>

#include <doctest/doctest.h>

using namespace postern;
using classify::Classifier;
using policy::BounceClass;
using policy::BounceReason;

namespace {

struct Case {
  int line = 0;
  std::string reason, status, host, said;
};

std::string field(std::string text) {
  if (text == "-") return {};
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool line_break = text[i] == '\\' && i + 1 < text.size() && text[i + 1] == 'n';
    out += line_break ? '\n' : text[i];
    if (line_break) ++i;
  }
  return out;
}

std::vector<Case> cases() {
  std::ifstream in(POSTERN_TESTS_DIR "/unit/classify/cases.txt");
  REQUIRE(in.is_open());
  std::vector<Case> all;
  std::string text;
  for (int line = 1; std::getline(in, text); ++line) {
    if (text.empty() || text.starts_with('#')) continue;
    Case one;
    one.line = line;
    for (auto* part : {&one.reason, &one.status, &one.host}) {
      const auto end = text.find(" | ");
      REQUIRE_MESSAGE(end != std::string::npos, "cases.txt:" << line);
      *part = field(text.substr(0, end));
      text.erase(0, end + 3);
    }
    one.said = field(text);
    all.push_back(std::move(one));
  }
  return all;
}

// Said in answer to RCPT, unless it says otherwise.
classify::Judgement judge(const Classifier& classifier, std::string_view said,
                          std::string_view status = {}, std::string_view host = {}) {
  const auto told = classify::command_of(said);
  return classifier.judge(
      {.status = status,
       .diagnostic = said,
       .remote_mta = host,
       .reporting_mta = {},
       .action = "failed",
       .recipient = "nina@nowhere.invalid",
       .command = told == classify::Command::unknown ? classify::Command::rcpt : told});
}

std::string reason_of(std::string_view said, std::string_view status = {}) {
  return std::string(to_string(judge(Classifier::built_in(), said, status).reason));
}

Classifier with_rules(std::string_view rules) {
  auto classifier = Classifier::create(rules, "own.toml");
  REQUIRE_MESSAGE(classifier.has_value(), classifier.error().text);
  return *std::move(classifier);
}

}  // namespace

TEST_CASE("what servers say, and what it means") {
  const auto all = cases();
  CHECK(all.size() >= 300);
  for (const auto& one : all) {
    const auto got = judge(Classifier::built_in(), one.said, one.status, one.host);
    CHECK_MESSAGE(to_string(got.reason) == one.reason,
                  "cases.txt:" << one.line << ": " << one.said << " -> " << got.rule);
    CHECK(got.bounce_class == class_of(got.reason));
  }
}

TEST_CASE("what a filter says after the message is not about the mailbox") {
  const auto said = [](classify::Command command, std::string_view diagnostic,
                       std::string_view status) {
    return std::string(to_string(Classifier::built_in()
                                     .judge({.status = status,
                                             .diagnostic = diagnostic,
                                             .remote_mta = {},
                                             .reporting_mta = {},
                                             .action = "failed",
                                             .recipient = {},
                                             .command = command})
                                     .reason));
  };
  using classify::Command;
  CHECK(said(Command::rcpt, "550 user unknown", "") == "user-unknown");
  CHECK(said(Command::data, "550 user unknown", "") == "policy");
  CHECK(said(Command::unknown, "550 user unknown", "5.0.0") == "policy");
  // The code says it whatever was asked; and so does who knows the mailboxes and gives no reply.
  CHECK(said(Command::data, "550 5.1.1 user unknown", "") == "user-unknown");
  CHECK(said(Command::unknown, "user unknown", "") == "user-unknown");
  CHECK(said(Command::unknown, "550 user unknown (in reply to RCPT TO command)", "") ==
        "user-unknown");
  CHECK(said(Command::unknown, "550 user unknown (in reply to end of DATA command)", "") ==
        "policy");
}

TEST_CASE("the command that was refused, as reporters tell it") {
  using classify::Command;
  using classify::command_of;
  CHECK(command_of(">>> RCPT To:<a@b.example>\n<<< 550 no") == Command::rcpt);
  CHECK(command_of("-----server message\n550 no\n-----SMTP command\nDATA\n", "550 no") ==
        Command::data);
  CHECK(command_of(">>> DATA\n<<< 550 no\n<<< 503 5.0.0 Need RCPT (recipient)\n", "550 no") ==
        Command::rcpt);
  CHECK(command_of("after RCPT TO:<a@b.example>: 550 no\nafter end of data: 554 spam",
                   "554 spam") == Command::data);
  CHECK(command_of("after RCPT TO:<a@b.example>: 550 no\nafter end of data: 554 spam", "550 no") ==
        Command::rcpt);
  CHECK(command_of("550 no (in reply to MAIL FROM\n    command)") == Command::mail);
  CHECK(command_of("SMTP error from remote mail server after pipelined MAIL FROM:<a@b.example>:\n"
                   "  550 no") == Command::mail);
  CHECK(command_of("a: 550 no (in reply to MAIL FROM command)\n\n"
                   "b: 551 no (in reply to RCPT TO command)",
                   "550 no") == Command::mail);
  const std::string_view transcript =
      "(reason: 550 no)\n\n>>> MAIL From:<a@b.example>\n<<< 550 no\n550 Host unknown\n"
      ">>> RCPT To:<c@d.example>\n<<< 551 never\n";
  CHECK(command_of(transcript, "(reason: 550 no)") == Command::mail);
  CHECK(command_of(transcript, "551 never") == Command::rcpt);
  // Of the reporter's own, though it stands below MAIL.
  CHECK(command_of(transcript, "550 Host unknown") != Command::mail);
  CHECK(command_of("(reason: 550 no)\n>>> MAIL From:<a@b.example>\n<<< 250 ok\n"
                   ">>> RCPT To:<c@d.example>\n<<< 550 no\n",
                   "(reason: 550 no)") == Command::rcpt);
  CHECK(command_of("550 we take no mail from you") == Command::unknown);
  CHECK(command_of("550 no") == Command::unknown);
  CHECK(command_of("") == Command::unknown);
}

TEST_CASE("every rule is reached by a case") {
  const auto rules = classify::read_rules(classify::embedded_files().front().octets, "rules.toml");
  REQUIRE_MESSAGE(rules.has_value(), rules.error().text);
  std::set<std::string> reached;
  for (const auto& one : cases()) {
    reached.insert(judge(Classifier::built_in(), one.said, one.status, one.host).rule);
  }
  for (const auto& rule : *rules) CHECK_MESSAGE(reached.contains(rule.name), rule.name);
}

// A bounce that quotes our refusal would otherwise renew the hold that it came from.
TEST_CASE("our own refusals are suppressed, whatever they tell") {
  const struct {
    policy::Reason reason;
    std::string_view note;
    bool domain_wide;
  } refusals[] = {
      {policy::Reason::unsubscribed, "", false},
      {policy::Reason::complained, "", false},
      {policy::Reason::bounced, "", false},
      {policy::Reason::bounced, "550 5.1.1 user unknown", false},
      {policy::Reason::bounced, "552 5.2.2 mailbox full", false},
      {policy::Reason::blocked, "", false},
      {policy::Reason::blocked, "no such user", false},
      {policy::Reason::blocked, "", true},
      {policy::Reason::no_consent, "", false},
  };
  for (const auto& one : refusals) {
    policy::Verdict verdict;
    verdict.reason = one.reason;
    verdict.domain_wide = one.domain_wide;
    verdict.date = Time{std::chrono::days{20'500}};
    for (const std::string_view address : {"nina@example.com", ""}) {
      const auto refusal = policy::refusal(verdict, address, one.note, false);
      const std::string reply = std::to_string(refusal.code) + " " +
                                std::string(refusal.enhanced_status_code) + " " + refusal.text;
      CAPTURE(reply);
      CHECK(reason_of(reply) == "suppressed");
      CHECK(reason_of("host gate.example.com[192.0.2.1] said: " + reply +
                          " (in reply to RCPT TO command)",
                      refusal.enhanced_status_code) == "suppressed");
    }
  }
}

TEST_CASE("evidence about us is never hard, whatever code it carries") {
  for (const auto* said :
       {"Your IP 192.0.2.1 is listed at zen.spamhaus.org", "message looks like spam",
        "SPF check failed", "rate limit exceeded", "Sender address rejected: Domain not found",
        "Relay access denied", "poor reputation", "reverse DNS lookup of your host failed",
        "part of their network is on our block list (S3150)", "greylisted", "DMARC policy"}) {
    for (const auto* status :
         {"5.1.1", "5.1.2", "5.1.10", "5.1.0", "5.2.1", "5.0.0", "4.1.1", ""}) {
      CAPTURE(said);
      CAPTURE(status);
      const auto got = judge(Classifier::built_in(), "550 " + std::string(said), status);
      CHECK(got.bounce_class == BounceClass::soft);
    }
  }
}

TEST_CASE("what is answered to MAIL is about the sender, whatever it says") {
  for (const auto* said :
       {"User unknown", "Address rejected", "Domain not found", "domain does not accept mail",
        "no MX record for domain bounce.example", "mailbox has moved", "mailbox is full",
        "account is disabled", "no", "your IP is listed at zen.spamhaus.org", "SPF check failed"}) {
    for (const auto* status :
         {"5.1.0", "5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.2.1", "5.2.2", ""}) {
      for (const auto* reply : {"550", "551", "556", "450"}) {
        const std::string diagnostic = std::string("host mx.example.net[192.0.2.4] said: ") +
                                       reply + " " + status + " " + said +
                                       " (in reply to MAIL FROM command)";
        CAPTURE(diagnostic);
        const auto got = Classifier::built_in().judge({.status = status, .diagnostic = diagnostic});
        CHECK(got.bounce_class == BounceClass::soft);
        CHECK(got.reason != BounceReason::disabled);
        CHECK(got.reason != BounceReason::mailbox_full);
      }
    }
  }
}

TEST_CASE("the status is the field's, or what stands in the text") {
  CHECK(judge(Classifier::built_in(), "550 5.7.1 no", "5.0.0").status == "5.7.1");
  CHECK(judge(Classifier::built_in(), "550 no", "5.0.0").status == "5.0.0");
  CHECK(judge(Classifier::built_in(), "550 no").status.empty());
}

TEST_CASE("who reports speaks where nobody else was asked") {
  const auto& classifier = Classifier::built_in();
  CHECK(classifier.judge({.status = "5.7.511", .reporting_mta = "a.outlook.com"}).rule ==
        "microsoft-reputation-codes");
  CHECK(classifier
            .judge({.status = "5.7.511",
                    .remote_mta = "mx.example.net",
                    .reporting_mta = "a.outlook.com"})
            .rule == "code-reputation");
}

TEST_CASE("a long text is read to a limit") {
  const std::string far = std::string(20'000, ' ') + "550 5.1.1 user unknown";
  CHECK(judge(Classifier::built_in(), far).rule.empty());
  std::string all;
  while (all.size() < 200'000) all += "user unknown mailbox full ";
  CHECK_FALSE(judge(Classifier::built_in(), all).rule.empty());
}

TEST_CASE("own rules stand in front") {
  const auto classifier = with_rules(R"(
[[rule]]
name = "house"
reason = "policy"
text = ["no such user"]
mta = ["*.odd.example"]

[[rule]]
name = "house-code"
reason = "disabled"
status = ["5.7.999"]

[[rule]]
name = "house-weak"
reason = "content"
text = ["user unknown at the door"]
tier = "weak"
)");
  SUBCASE("before the built-in rules") {
    CHECK(judge(classifier, "550 no such user", "5.1.1", "mx.odd.example").rule == "house");
    CHECK(judge(classifier, "550 5.7.999 spam").rule == "house-code");
    CHECK(judge(classifier, "550 user unknown at the door", "5.1.1").rule == "house-weak");
  }
  SUBCASE("where they do not apply, the others do") {
    CHECK(judge(classifier, "550 no such user", "", "mx.even.example").rule == "user-unknown");
    CHECK(judge(classifier, "550 no such user", "", "mx.odd.example.com").rule == "user-unknown");
    CHECK(judge(classifier, "550 mailbox full").rule == "mailbox-full");
  }
  SUBCASE("but nothing stands above a suppression") {
    CHECK(judge(classifier, "550 no such user: earlier mail bounced on 2026-01-01", "",
                "mx.odd.example")
              .reason == BounceReason::suppressed);
  }
  SUBCASE("the host may stand in the text") {
    CHECK(judge(classifier, "host mx.odd.example[192.0.2.1] said: 550 no such user").rule ==
          "house");
  }
}

TEST_CASE("gaps, words and what else must be there or not") {
  const auto classifier = with_rules(R"(
[[rule]]
name = "gap"
reason = "moved"
text = ["guest * checked out", "room *taken"]
with = ["reception"]
without = ["by mistake"]
)");
  const auto rule = [&](std::string_view said) { return judge(classifier, said).rule; };
  CHECK(rule("reception: guest 4711 has checked out") == "gap");
  CHECK(rule("reception: guest checked out") == "gap");
  CHECK(rule("Reception: the GUEST\n has checked\n out") == "gap");
  CHECK(rule("reception: room mistaken") == "gap");
  CHECK(rule("guest 4711 has checked out") != "gap");
  CHECK(rule("reception: guest checked out by mistake") != "gap");
  CHECK(rule("reception: checked out guest") != "gap");
  CHECK(rule("reception: guests checked out") != "gap");
  CHECK(rule("reception: guest " + std::string(200, '.') + " checked out") != "gap");
  CHECK(rule("receptions: guest checked out") != "gap");
}

TEST_CASE("mistakes of an own file are told") {
  const auto classifier = Classifier::create("[[rule]]\nname = \"x\"\n", "/etc/own.toml");
  REQUIRE_FALSE(classifier.has_value());
  CHECK(classifier.error().code == Errc::invalid);
  CHECK(classifier.error().text ==
        "/etc/own.toml:1: rule.reason: a rule needs a reason, in quotes");
}
