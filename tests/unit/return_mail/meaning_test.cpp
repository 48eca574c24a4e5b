#include "policy/return_mail/meaning.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::return_mail;
using policy::ReturnRecipient;
using policy::ReturnType;
using Kind = ReturnRecipient::Kind;

namespace {

const Time now = Time{} + std::chrono::days{20'000};

const policy::LinkKeys& keys() {
  static const auto made = [] {
    policy::LinkKey key{.id = 1};
    key.secret.fill(7);
    key.secret.back() = 8;
    return policy::LinkKeys::create({key}).value();
  }();
  return made;
}

const policy::ReturnTokens& tokens() {
  static const policy::ReturnTokens made(keys());
  return made;
}

// The beginning of the address stands for the store's hash.
policy::ContactRef ref_for(std::string_view address) {
  policy::ContactRef made{};
  std::copy_n(address.begin(), std::min(address.size(), made.size()), made.begin());
  return made;
}

policy::ReturnToken token_of(std::string_view address,
                             policy::ReturnKind kind = policy::ReturnKind::bounce,
                             std::uint32_t day = 19'999) {
  return {.kind = kind, .context = 77, .contact = ref_for(address), .day = day};
}

policy::ReturnMail mail(Kind kind, std::string_view address, std::string octets = "") {
  policy::ReturnMail made;
  ReturnRecipient recipient{.kind = kind, .token = {}, .path = {}};
  if (kind == Kind::bounce) recipient.token = token_of(address);
  if (kind == Kind::unsubscribe) {
    recipient.token = token_of(address, policy::ReturnKind::unsubscribe);
  }
  made.recipients.push_back(std::move(recipient));
  made.octets = std::move(octets);
  made.arrived = now;
  return made;
}

Finding finding(ReturnType type, std::string recipient,
                policy::BounceReason reason = policy::BounceReason::user_unknown) {
  Finding made;
  made.type = type;
  made.recipient = std::move(recipient);
  if (type == ReturnType::bounce) {
    made.reason = reason;
    made.bounce_class = policy::class_of(reason);
  }
  return made;
}

Meaning meaning(const policy::ReturnMail& mail, const Reading& reading) {
  static const std::vector<std::string> campaign_header{"X-Campaign-ID"};
  return meaning_of(mail, reading,
                    {.domain = "bounce.example.com",
                     .url = "https://unsub.example.com",
                     .tokens = tokens(),
                     .links = keys(),
                     .campaign_header = campaign_header,
                     .valid_for = std::chrono::days{30},
                     .ref_of = [](const policy::CanonicalAddress& address) {
                       return std::optional(ref_for(address.text));
                     }});
}

}  // namespace

TEST_CASE("a bounce is about the contact of the token, whoever else the report names") {
  Reading reading;
  reading.type = ReturnType::bounce;
  reading.findings = {finding(ReturnType::bounce, "victim@example.org")};
  reading.returned_header = "X-Campaign-ID: spring\nTo: anna@example.net\n";
  const auto said = meaning(mail(Kind::bounce, "anna@example.net"), reading);
  REQUIRE(said.notes.size() == 1);
  CHECK(said.notes[0].contact == ref_for("anna@example.net"));
  CHECK(said.notes[0].address.text == "anna@example.net");
  CHECK(said.notes[0].context == 77);
  CHECK(said.notes[0].campaign == "spring");
  CHECK(said.notes[0].finding.bounce_class == policy::BounceClass::hard);
  CHECK(said.senders == std::vector<std::uint64_t>{77});
  CHECK(said.understood);
}

TEST_CASE("of several recipients the contact's own counts, else the mildest") {
  Reading reading;
  reading.type = ReturnType::bounce;
  reading.findings = {
      finding(ReturnType::bounce, "b@example.org"),
      finding(ReturnType::bounce, "anna@example.net", policy::BounceReason::mailbox_full)};
  const auto own = meaning(mail(Kind::bounce, "anna@example.net"), reading);
  CHECK(own.notes.at(0).finding.reason == policy::BounceReason::mailbox_full);
  const auto b = meaning(mail(Kind::bounce, "b@example.org"), reading);
  CHECK(b.notes.at(0).finding.reason == policy::BounceReason::user_unknown);
  const auto list = meaning(mail(Kind::bounce, "list@example.org"), reading);
  CHECK(list.notes.at(0).finding.bounce_class == policy::BounceClass::soft);
  CHECK(list.notes.at(0).address.text.empty());
}

TEST_CASE("what a report says of one contact is not about another that it came for too") {
  const auto said_of = [](std::vector<Finding> findings) {
    auto came = mail(Kind::bounce, "anna@example.net");
    came.recipients.push_back(mail(Kind::bounce, "bob@example.org").recipients.front());
    Reading reading;
    reading.type = ReturnType::bounce;
    reading.findings = std::move(findings);
    std::vector<std::pair<std::string, policy::BounceReason>> notes;
    for (const auto& note : meaning(came, reading).notes) {
      const bool anna = note.contact == ref_for("anna@example.net");
      notes.emplace_back(anna ? "anna" : "bob", note.finding.reason.value());
    }
    return notes;
  };
  const auto gone = policy::BounceReason::user_unknown;
  const auto full = policy::BounceReason::mailbox_full;
  const auto of = [](std::string name, policy::BounceReason reason) {
    return finding(ReturnType::bounce, std::move(name), reason);
  };
  using Notes = std::vector<std::pair<std::string, policy::BounceReason>>;
  CHECK(said_of({of("anna@example.net", gone)}) == Notes{{"anna", gone}});
  CHECK(said_of({of("bob@example.org", full)}) == Notes{{"bob", full}});
  CHECK(said_of({of("anna@example.net", gone), of("bob@example.org", full)}) ==
        Notes{{"anna", gone}, {"bob", full}});
  // Of neither, or of somebody to whom it was passed on: it may be of both, or of the other.
  CHECK(said_of({of("victim@example.com", gone)}) == Notes{{"anna", gone}, {"bob", gone}});
  CHECK(said_of({of("", full)}) == Notes{{"anna", full}, {"bob", full}});
  CHECK(said_of({of("anna@example.net", full), of("far@example.com", gone)}) ==
        Notes{{"anna", full}, {"bob", gone}});
  // Named by the address that it was passed on to.
  auto passed_on = of("list@example.com", gone);
  passed_on.final_recipient = "anna@example.net";
  CHECK(said_of({passed_on}) == Notes{{"anna", gone}});
}

TEST_CASE("an automatic reply changes nothing and goes to the sender") {
  Reading reading;
  reading.type = ReturnType::auto_reply;
  const auto said = meaning(mail(Kind::bounce, "anna@example.net"), reading);
  CHECK(said.notes.empty());
  CHECK(said.understood);
  CHECK(said.senders.size() == 1);
}

TEST_CASE("a person's answer is a sign of life; what nobody understands is kept for a look") {
  const auto said = [](std::string octets, std::string reverse_path) {
    auto came = mail(Kind::bounce, "anna@example.net", std::move(octets));
    if (!reverse_path.empty()) came.reverse_path = *policy::parse_mailbox(reverse_path);
    return meaning(came, {});
  };
  const auto reply =
      said("From: anna@example.net\nIn-Reply-To: <1@x>\n\nThanks\n", "anna@example.net");
  REQUIRE(reply.notes.size() == 1);
  CHECK(reply.notes[0].replied);
  CHECK(reply.understood);
  for (const auto& machine :
       {said("From: a@example.net\nIn-Reply-To: <1@x>\nAuto-Submitted: auto-generated\n\nx\n",
             "a@example.net"),
        said("From: a@example.net\nIn-Reply-To: <1@x>\n\nx\n", ""),
        said("From: a@example.net\nSubject: hello\n\nx\n", "a@example.net")}) {
    CHECK(machine.notes.empty());
    CHECK_FALSE(machine.understood);
    CHECK(machine.senders.size() == 1);
  }
}

TEST_CASE(
    "mail to an unsubscribe address unsubscribes, automatic mail too; a delivery report does not") {
  Reading reading;
  for (const auto type : {ReturnType::unknown, ReturnType::auto_reply, ReturnType::unsubscribe}) {
    reading.type = type;
    const auto said = meaning(mail(Kind::unsubscribe, "anna@example.net"), reading);
    REQUIRE(said.notes.size() == 1);
    CHECK(said.notes[0].finding.type == ReturnType::unsubscribe);
    CHECK(said.senders.empty());
  }
  reading.type = ReturnType::bounce;
  reading.findings = {finding(ReturnType::bounce, "anna@example.net")};
  const auto said = meaning(mail(Kind::unsubscribe, "anna@example.net"), reading);
  CHECK(said.notes.empty());
  CHECK(said.unattributed);
}

TEST_CASE("a complaint is of the contact whose token the returned header holds") {
  Reading reading;
  reading.type = ReturnType::complaint;
  reading.findings = {finding(ReturnType::complaint, "redacted@example.net")};
  const auto token = tokens().make(token_of("anna@example.net"));
  SUBCASE("in the Return-Path") {
    reading.returned_header = "Return-Path: <" + token + "@bounce.example.com>\nSubject: x\n";
  }
  SUBCASE("folded, and in upper case") {
    std::string upper = token;
    std::ranges::transform(upper, upper.begin(), [](char c) {
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    });
    reading.returned_header = "X-Envelope-From: <" + upper.substr(0, 30) + "\n " +
                              upper.substr(30) + "@BOUNCE.example.com>\n";
  }
  SUBCASE("beside the address to unsubscribe by, which says less") {
    reading.returned_header =
        "List-Unsubscribe: <mailto:" +
        tokens().make(token_of("anna@example.net", policy::ReturnKind::unsubscribe, 100)) +
        "@bounce.example.com?subject=unsubscribe>\nReturn-Path: <" + token +
        "@bounce.example.com>\n";
  }
  const auto said = meaning(mail(Kind::complaints, ""), reading);
  REQUIRE(said.notes.size() == 1);
  CHECK(said.notes[0].contact == ref_for("anna@example.net"));
  CHECK(said.notes[0].context == 77);
  CHECK(said.senders == std::vector<std::uint64_t>{77});
}

TEST_CASE("a complaint finds its contact by the link too; without either it proves nothing") {
  Reading reading;
  reading.type = ReturnType::complaint;
  const auto link =
      keys()
          .seal({.address = {"anna@example.net"}, .stream = "news", .campaign = "may", .day = 1})
          .value();
  reading.returned_header =
      "List-Unsubscribe: <https://unsub.example.com/u/" + link + ">\nSubject: x\n";
  const auto said = meaning(mail(Kind::complaints, ""), reading);
  REQUIRE(said.notes.size() == 1);
  CHECK(said.notes[0].address.text == "anna@example.net");
  CHECK(said.notes[0].stream == "news");
  CHECK(said.notes[0].campaign == "may");
  CHECK_FALSE(said.notes[0].context);

  for (const auto& header :
       {std::string("Subject: x\n"),
        "Return-Path: <" +
            tokens().make(token_of("a@example.net", policy::ReturnKind::bounce, 19'000)) +
            "@bounce.example.com>\n",
        "Return-Path: <" + tokens().make(token_of("a@example.net")) + "@elsewhere.example>\n"}) {
    reading.returned_header = header;
    reading.findings = {finding(ReturnType::complaint, "anna@example.net")};
    const auto unproven = meaning(mail(Kind::complaints, ""), reading);
    CHECK(unproven.notes.empty());
    CHECK(unproven.unattributed);
    CHECK_FALSE(unproven.understood);
  }
}

TEST_CASE("a closed mailbox is believed by its reports' own words") {
  Reading reading;
  reading.type = ReturnType::bounce;
  reading.findings = {finding(ReturnType::bounce, "Anna@Example.net"),
                      finding(ReturnType::bounce, "not an address")};
  auto came = mail(Kind::mailbox, "");
  came.believed = true;
  const auto said = meaning(came, reading);
  REQUIRE(said.notes.size() == 1);
  CHECK(said.notes[0].contact == ref_for("anna@example.net"));
  CHECK(said.senders.empty());
  CHECK_FALSE(said.postmaster);
  const auto letter = meaning(came, {});
  CHECK(letter.notes.empty());
  CHECK(letter.postmaster);
}

TEST_CASE("a contact that the report does not name is named by the link of the returned message") {
  Reading reading;
  reading.type = ReturnType::complaint;
  reading.findings = {finding(ReturnType::complaint, "redacted@example.net")};
  const auto link =
      keys()
          .seal({.address = {"anna@example.net"}, .stream = "news", .campaign = "", .day = 1})
          .value();
  reading.returned_header =
      "List-Unsubscribe: <https://unsub.example.com/u/" + link + ">\nSubject: x\n";
  const auto said = meaning(mail(Kind::bounce, "anna@example.net"), reading);
  CHECK(said.notes.at(0).address.text == "anna@example.net");
  const auto other = meaning(mail(Kind::bounce, "b@example.net"), reading);
  CHECK(other.notes.at(0).address.text.empty());
}

TEST_CASE("mail to postmaster is passed on, and means nothing") {
  Reading reading;
  reading.type = ReturnType::bounce;
  reading.findings = {finding(ReturnType::bounce, "anna@example.net")};
  const auto said = meaning(mail(Kind::postmaster, ""), reading);
  CHECK(said.notes.empty());
  CHECK(said.postmaster);
}

TEST_CASE("the same report has the same digest, whatever the way it came") {
  const Note note{.contact = ref_for("anna@example.net")};
  const std::string report =
      "From: <>\nDate: Mon, 2 Mar 2026 12:00:00 +0000\nMessage-ID: <1@x>\n\ngone\n";
  const auto digest = report_digest(report, note);
  CHECK(report_digest("Received: from a by b\nX-Trace: 1\n" + report, note) == digest);
  CHECK(report_digest(report + "more\n", note) != digest);
  CHECK(report_digest(report, {.contact = ref_for("b@example.net")}) != digest);
}
