// What the store remembers of return mail.
#include "store/return_notes.h"

#include "fixture.h"
#include "returns.h"
#include "store/backup.h"
#include "store/forgotten.h"
#include "store/kept_mail.h"
#include "store/traffic.h"

#include <algorithm>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;
using policy::BounceClass;
using policy::BounceReason;
using policy::HoldKind;
using policy::ReturnType;
using Kind = Outcome::Kind;

namespace {

std::size_t standing(const Store& store, std::string_view address, HoldKind kind) {
  const auto found = contact_of(store, address);
  return static_cast<std::size_t>(
      std::ranges::count_if(found.holds, [&](const auto& hold) { return hold.kind == kind; }));
}

std::uint64_t counted(const Store& store, TrafficResult result) {
  const auto report = store.report({.since = {}, .streams = {}, .campaign = {}, .each = {}});
  REQUIRE(report);
  std::uint64_t all = 0;
  for (const auto& total : report->totals) all += total.of(result);
  return all;
}

std::string note_of_hold(const Store& store, std::string_view address) {
  const auto found = contact_of(store, address);
  REQUIRE_FALSE(found.holds.empty());
  auto reader = store.reader();
  REQUIRE(reader);
  auto note = (*reader)->note(found.holds.back().event);
  REQUIRE(note);
  return *note;
}

}  // namespace

TEST_CASE("a hard bounce is a hold of every stream, with its evidence") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto bounce = returned(*store, "a@x.example", BounceReason::user_unknown);
  const auto outcome = apply(*store, bounce, day(1));
  CHECK(outcome.kind == Kind::changed);
  REQUIRE(outcome.placed);
  const auto found = contact_of(*store, "a@x.example");
  REQUIRE(found.holds.size() == 1);
  CHECK(found.holds[0].id == *outcome.placed);
  CHECK(found.holds[0].kind == HoldKind::bounced);
  CHECK(found.holds[0].scope == all());
  CHECK(found.holds[0].date == day(1));
  const auto history = history_of(*store, "a@x.example");
  REQUIRE(history.size() == 1);
  const auto& placed = std::get<policy::HoldPlaced>(history[0].event.facts);
  REQUIRE(placed.evidence);
  CHECK(placed.evidence->type == ReturnType::bounce);
  CHECK(placed.evidence->reason == BounceReason::user_unknown);
  CHECK(placed.evidence->status == "5.1.1");
  CHECK(history[0].note == "550 no such user");
  CHECK(history[0].mail == MailDetails{"spring", "mx.x.example", "mail.example.org", "<1@x>"});
  CHECK(note_of_hold(*store, "a@x.example") == "5.1.1 550 no such user");
  CHECK(counted(*store, TrafficResult::bounced) == 1);

  // The same report again is no second event, whatever else came between.
  CHECK(apply(*store, bounce, day(2)).kind == Kind::unchanged);
  CHECK(apply(*store, bounce, day(40)).kind == Kind::unchanged);
  // Tokens may be good for a year.
  CHECK(apply(*store, bounce, day(366)).kind == Kind::unchanged);
  CHECK(counted(*store, TrafficResult::bounced) == 1);
  // Another one says it again: noted, no second hold.
  bounce.digest[0] = 99;
  const auto again = apply(*store, bounce, day(3));
  CHECK(again.kind == Kind::changed);
  CHECK_FALSE(again.placed);
  CHECK(standing(*store, "a@x.example", HoldKind::bounced) == 1);
  CHECK(history_of(*store, "a@x.example").size() == 2);
  CHECK(counted(*store, TrafficResult::bounced) == 2);
  // A hold that was lifted is placed anew.
  apply(*store, lift("a@x.example", {HoldKind::bounced}, all()), day(4));
  bounce.digest[0] = 100;
  CHECK(apply(*store, bounce, day(5)).placed);
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("what each kind of return mail comes to") {
  struct Case {
    std::string_view why;
    ReturnType type;
    BounceReason reason;
    BounceClass bounce_class;
    std::optional<HoldKind> hold;
    bool event;
  };
  using enum BounceReason;
  const Case cases[] = {
      {"gone", ReturnType::bounce, user_unknown, BounceClass::hard, HoldKind::bounced, true},
      {"moved", ReturnType::bounce, moved, BounceClass::hard, HoldKind::bounced, true},
      {"our reputation, called hard", ReturnType::bounce, reputation, BounceClass::hard, {}, true},
      {"nobody knows what, called hard",
       ReturnType::bounce,
       undefined,
       BounceClass::hard,
       {},
       true},
      {"full", ReturnType::bounce, mailbox_full, BounceClass::soft, {}, true},
      {"spam", ReturnType::bounce, spam, BounceClass::soft, {}, true},
      {"our own refusal", ReturnType::bounce, suppressed, BounceClass::hard, {}, false},
      {"another's list", ReturnType::bounce, suppressed, BounceClass::soft, {}, false},
      {"late", ReturnType::delayed, network, BounceClass::soft, {}, true},
      {"there", ReturnType::delivered, undefined, BounceClass::soft, {}, true},
      {"complaint", ReturnType::complaint, undefined, BounceClass::soft, HoldKind::complained,
       true},
      {"asked by mail", ReturnType::unsubscribe, undefined, BounceClass::soft,
       HoldKind::unsubscribed, true},
      {"vacation", ReturnType::auto_reply, undefined, BounceClass::soft, {}, false},
      {"unknown", ReturnType::unknown, undefined, BounceClass::soft, {}, false},
  };
  for (const auto& [why, type, reason, bounce_class, hold, event] : cases) {
    CAPTURE(why);
    const TemporaryDirectory directory;
    const auto store = open(directory.path());
    auto mail = returned(*store, "a@x.example", reason);
    mail.evidence.type = type;
    mail.bounce_class = bounce_class;
    const auto outcome = apply(*store, mail);
    CHECK((outcome.kind == Kind::changed) == event);
    CHECK(outcome.placed.has_value() == hold.has_value());
    const auto found = contact_of(*store, "a@x.example");
    CHECK(found.holds.size() == (hold ? 1 : 0));
    if (hold && !found.holds.empty()) CHECK(found.holds[0].kind == *hold);
    CHECK(history_of(*store, "a@x.example").size() == (event ? 1 : 0));
    CHECK(counted(*store, TrafficResult::suppressed) == (reason == suppressed ? 1 : 0));
    // An upstream without authority: history only, whatever it says.
    auto refusal = returned(*store, "b@x.example", reason);
    refusal.bounce_class = bounce_class;
    refusal.in_session = refusal.history_only = true;
    CHECK_FALSE(apply(*store, refusal).placed);
    CHECK(contact_of(*store, "b@x.example").holds.empty());
    CHECK(store->verify({})->wrong == 0);
  }
}

TEST_CASE("by mail somebody leaves the stream of the mail, or every marketing one") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto mail = returned(*store, "a@x.example", BounceReason::undefined);
  mail.evidence.type = ReturnType::unsubscribe;
  apply(*store, mail);
  CHECK(contact_of(*store, "a@x.example").holds.at(0).scope == stream("news"));
  mail.stream.clear();
  mail.digest[0] = 2;
  apply(*store, mail);
  CHECK(contact_of(*store, "a@x.example").holds.at(1).scope == marketing());
  mail.digest[0] = 3;
  CHECK_FALSE(apply(*store, mail).placed);
  CHECK(counted(*store, TrafficResult::unsubscribed) == 2);
  CHECK(*store->stream_names() == std::vector<std::string>{"news"});
  mail.stream = std::string(65, 'x');
  mail.digest[0] = 4;
  const Change wrong = mail;
  CHECK(store->change({&wrong, 1}, day(0)).error().code == Errc::invalid);
}

TEST_CASE("soft bounces become a hold by the rule, and signs of life begin anew") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  std::uint8_t number = 0;
  const auto come = [&](int on, ReturnType type = ReturnType::bounce,
                        BounceReason reason = BounceReason::mailbox_full) {
    auto mail = returned(*store, "a@x.example", reason);
    mail.evidence.type = type;
    mail.delivered_to_mailbox = type == ReturnType::delivered;
    mail.digest[0] = ++number;
    mail.evidence.status = "4.2.2";
    mail.diagnostic = "452 4.2.2 over quota";
    return apply(*store, mail, day(on));
  };
  for (int on = 0; on < 4; ++on) CHECK_FALSE(come(on).placed);
  // About us, or an outage: no number of them counts.
  for (const auto reason : {BounceReason::spam, BounceReason::expired, BounceReason::undefined}) {
    CHECK_FALSE(come(4, ReturnType::bounce, reason).placed);
  }
  CHECK_FALSE(come(4, ReturnType::delivered).placed);
  for (int on = 5; on < 9; ++on) CHECK_FALSE(come(on).placed);
  auto reply = returned(*store, "a@x.example", BounceReason::undefined);
  reply.evidence = {};
  reply.replied = true;
  CHECK(apply(*store, reply, day(9)).kind == Kind::changed);
  for (int on = 10; on < 14; ++on) CHECK_FALSE(come(on).placed);
  // A vacation notice is no reply.
  CHECK(come(14, ReturnType::auto_reply).kind == Kind::unchanged);
  const auto last = come(14);
  REQUIRE(last.placed);
  CHECK(note_of_hold(*store, "a@x.example") ==
        "5 soft bounces on 5 days, the last: 452 4.2.2 over quota");
  const auto history = history_of(*store, "a@x.example");
  CHECK(std::get<policy::HoldPlaced>(history[0].event.facts).evidence->reason ==
        BounceReason::mailbox_full);
  CHECK_FALSE(come(15).placed);
  CHECK(standing(*store, "a@x.example", HoldKind::bounced) == 1);
  // A consent is the contact's own sign.
  for (int i = 0; i < 4; ++i) {
    auto mail = returned(*store, "b@x.example", BounceReason::disabled);
    mail.bounce_class = BounceClass::soft;
    mail.digest[0] = static_cast<std::uint8_t>(i);
    CHECK_FALSE(apply(*store, mail, day(i)).placed);
  }
  apply(*store, lift("b@x.example", {HoldKind::unsubscribed}, marketing(), true), day(4));
  auto fifth = returned(*store, "b@x.example", BounceReason::disabled);
  fifth.bounce_class = BounceClass::soft;
  fifth.digest[0] = 77;
  CHECK_FALSE(apply(*store, fifth, day(5)).placed);
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("a contact that is known by its hash alone is held, and named when it can be") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto mail = returned(*store, "j.doe@gmail.com", BounceReason::user_unknown);
  const auto address = mail.address;
  mail.address = {};
  CHECK(apply(*store, mail).placed);
  CHECK(contact_of(*store, "j.doe@gmail.com").holds.size() == 1);
  auto reader = store->reader();
  REQUIRE(reader);
  CHECK(found_by(**reader, "j.doe@gmail.com") == 1);
  CHECK(found_by(**reader, "jdoe@gmail.com") == 0);
  CHECK(store->address(mail.ref)->text.empty());
  // The report counts it under its hash, not with the forgotten.
  std::vector<TrafficRow> rows;
  TrafficFilter filter;
  filter.each = [&](const TrafficRow& row) { rows.push_back(row); };
  mail.digest[0] = 1;
  apply(*store, mail);
  REQUIRE(store->report(filter));
  REQUIRE(rows.size() == 1);
  CHECK_FALSE(rows[0].forgotten);
  CHECK(rows[0].count == 2);
  CHECK(rows[0].evidence->reason == BounceReason::user_unknown);
  CHECK(rows[0].diagnostic == "550 no such user");
  // Another's address is not believed: the token says whom the mail was sent to.
  mail.address = contact("other@x.example");
  mail.digest[0] = 2;
  apply(*store, mail);
  CHECK(contact_of(*store, "other@x.example").empty());
  CHECK(store->address(mail.ref)->text.empty());
  mail.address = address;
  mail.digest[0] = 3;
  apply(*store, mail);
  CHECK(store->address(mail.ref)->text == address.text);
  CHECK(found_by(**reader, "jdoe@gmail.com") == 1);
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("refusals in the session are one note a contact, reason and day; reports have a bound") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto refusal = returned(*store, "a@x.example", BounceReason::greylisted);
  refusal.bounce_class = BounceClass::soft;
  refusal.in_session = true;
  CHECK(apply(*store, refusal, day(0)).kind == Kind::changed);
  CHECK(apply(*store, refusal, day(0) + std::chrono::hours{23}).kind == Kind::unchanged);
  CHECK(apply(*store, refusal, day(1)).kind == Kind::changed);
  refusal.evidence.reason = BounceReason::policy;
  CHECK(apply(*store, refusal, day(1)).kind == Kind::changed);
  CHECK(history_of(*store, "a@x.example").size() == 3);

  auto late = returned(*store, "b@x.example", BounceReason::network);
  late.evidence.type = ReturnType::delayed;
  for (int i = 0; i < 150; ++i) {
    late.digest[0] = static_cast<std::uint8_t>(i);
    apply(*store, late, day(2));
  }
  CHECK(history_of(*store, "b@x.example").size() == max_reports);
  CHECK(counted(*store, TrafficResult::delayed) == 150);
  late.digest[1] = 1;
  CHECK(apply(*store, late, day(33)).kind == Kind::changed);
}

TEST_CASE("the date of a report is believed where it can be") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const std::pair<int, int> dates[] = {{95, 95}, {101, 100}, {39, 100}, {40, 40}};
  int number = 0;
  for (const auto& [said, kept] : dates) {
    const auto address = std::to_string(++number) + "@x.example";
    auto bounce = returned(*store, address, BounceReason::user_unknown);
    bounce.date = day(said);
    apply(*store, bounce, day(100));
    CHECK(contact_of(*store, address).holds.at(0).date == day(kept));
  }
}

TEST_CASE("who is forgotten stays so, though mail about them comes later") {
  const TemporaryDirectory directory;
  const auto ledger = directory.path() / "forgotten";
  const auto store = open(directory.path() / "store");
  auto bounce = returned(*store, "a@x.example", BounceReason::mailbox_full);
  bounce.bounce_class = BounceClass::soft;
  apply(*store, bounce, day(0));
  REQUIRE(store->forget(contact("a@x.example"), ledger, {"cli", "", "root"}, day(1)));
  const auto ref = bounce.ref;
  CHECK(store->address(ref)->text.empty());
  bounce.digest[0] = 2;
  bounce.evidence.reason = BounceReason::user_unknown;
  bounce.bounce_class = BounceClass::hard;
  CHECK(apply(*store, bounce, day(2)).placed);
  CHECK(store->address(ref)->text.empty());
  for (const auto& entry : *store->history(ref)) {
    CHECK(entry.note.empty());
    CHECK(entry.mail.empty());
  }
  CHECK(note_of_hold(*store, "a@x.example") == "5.1.1 user-unknown");
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("who was known by mail alone is forgotten before the bounce of that mail comes") {
  const TemporaryDirectory directory;
  const auto ledger = directory.path() / "forgotten";
  const auto store = open(directory.path() / "store");
  policy::Passages passages;
  passages.stream = "news";
  passages.time = day(0);
  passages.recipients = {{ref_of(*store, "a@x.example"), policy::Reason::no_consent}};
  REQUIRE(store->record({&passages, 1}));
  KeptMail kept;
  kept.ref = ref_of(*store, "b@x.example");
  kept.time = day(0);
  REQUIRE(store->keep_return_mail(kept, day(0)));
  for (const std::string_view address : {"a@x.example", "b@x.example"}) {
    CAPTURE(address);
    const auto done = store->forget(contact(address), ledger, {"cli", "", "root"}, day(1));
    REQUIRE(done);
    CHECK(done->contacts == 0);
    const auto bounce = returned(*store, address, BounceReason::user_unknown);
    CHECK(apply(*store, bounce, day(2)).placed);
    CHECK(store->address(bounce.ref)->text.empty());
    CHECK(note_of_hold(*store, address) == "5.1.1 user-unknown");
  }
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("who was forgotten stays so in a restored backup that is older") {
  const TemporaryDirectory directory;
  const auto ledger = directory.path() / "forgotten";
  const auto backup = directory.path() / "backup";
  const auto restored = directory.path() / "restored";
  auto store = open(directory.path() / "store");
  auto bounce = returned(*store, "a@x.example", BounceReason::mailbox_full);
  apply(*store, bounce, day(0));
  REQUIRE(store->backup(backup));
  REQUIRE(store->forget(contact("a@x.example"), ledger, {"cli", "", "root"}, day(1)));
  REQUIRE(restore(backup, options_at(restored, Mode::create), {}));
  store = open(restored, Mode::read_write);
  CHECK(*store->forget_again(ledger, day(2)) == 1);
  CHECK(*store->forget_again(ledger, day(2)) == 0);
  bounce.digest[0] = 2;
  apply(*store, bounce, day(3));
  CHECK(store->address(bounce.ref)->text.empty());
  for (const auto& entry : *store->history(bounce.ref)) CHECK(entry.note.empty());
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("beyond the bound of reports, a sign of life still voids the soft bounces before it") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto mail = returned(*store, "a@x.example", BounceReason::undefined);
  const auto come = [&](ReturnType type, BounceReason reason, int on) {
    mail.evidence = {type, reason, ""};
    mail.delivered_to_mailbox = type == ReturnType::delivered;
    mail.bounce_class = BounceClass::soft;
    for (auto& octet : mail.digest) {
      if (++octet != 0) break;
    }
    return apply(*store, mail, day(on));
  };
  for (int i = 0; i < 120; ++i) come(ReturnType::delivered, BounceReason::undefined, 0);
  CHECK(history_of(*store, "a@x.example").size() == max_reports);
  for (int on = 1; on < 12; ++on) {
    CAPTURE(on);
    CHECK_FALSE(come(ReturnType::bounce, BounceReason::mailbox_full, on).placed);
    // The second one adds nothing.
    CHECK((come(ReturnType::delivered, BounceReason::undefined, on).kind == Kind::changed));
    CHECK((come(ReturnType::delivered, BounceReason::undefined, on).kind == Kind::unchanged));
  }
  CHECK(contact_of(*store, "a@x.example").holds.empty());
}

TEST_CASE("many soft bounces a day make a hold on the day that the rule asks for") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto mail = returned(*store, "a@x.example", BounceReason::mailbox_full);
  const auto come = [&](int on) {
    ++mail.digest[mail.digest[0] == 255 ? 1 : 0];
    return apply(*store, mail, day(on));
  };
  for (int on = 0; on < 2; ++on) {
    for (int i = 0; i < 60; ++i) CHECK_FALSE(come(on).placed);
  }
  CHECK(history_of(*store, "a@x.example").size() == 10);
  CHECK(counted(*store, TrafficResult::soft_bounced) == 120);
  CHECK(come(2).placed);
  CHECK(standing(*store, "a@x.example", HoldKind::bounced) == 1);
}

TEST_CASE("mail that was relayed or expanded is no sign of life") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto full = returned(*store, "a@x.example", BounceReason::mailbox_full);
  for (int on = 0; on < 4; ++on) {
    full.digest[0] = static_cast<std::uint8_t>(on);
    CHECK_FALSE(apply(*store, full, day(on)).placed);
  }
  auto relayed = returned(*store, "a@x.example", BounceReason::undefined);
  relayed.evidence.type = ReturnType::delivered;
  relayed.digest[0] = 10;
  CHECK((apply(*store, relayed, day(4)).kind == Kind::changed));
  CHECK(counted(*store, TrafficResult::delivered) == 1);
  full.digest[0] = 11;
  CHECK(apply(*store, full, day(5)).placed);
}

TEST_CASE("a refusal without authority is a note in a history that is there, and nothing else") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  for (const auto reason : {BounceReason::user_unknown, BounceReason::mailbox_full}) {
    auto refusal = returned(*store, "typo@x.example", reason);
    refusal.in_session = refusal.history_only = true;
    CHECK((apply(*store, refusal).kind == Kind::unchanged));
  }
  CHECK(history_of(*store, "typo@x.example").empty());
  CHECK(store->contacts("", 10)->records.empty());
  apply(*store, lift("a@x.example", {}, marketing(), true));
  auto refusal = returned(*store, "a@x.example", BounceReason::user_unknown);
  refusal.in_session = refusal.history_only = true;
  CHECK((apply(*store, refusal).kind == Kind::changed));
  CHECK(history_of(*store, "a@x.example").size() == 2);
  CHECK(counted(*store, TrafficResult::bounced) == 0);
  CHECK(counted(*store, TrafficResult::soft_bounced) == 0);
}

TEST_CASE("the report gives hard and soft bounces of one day each their own reason") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto mail = returned(*store, "a@x.example", BounceReason::user_unknown);
  apply(*store, mail, day(0));
  mail = returned(*store, "a@x.example", BounceReason::mailbox_full);
  mail.digest[0] = 1;
  apply(*store, mail, day(0));
  std::vector<TrafficRow> rows;
  TrafficFilter filter;
  filter.each = [&](const TrafficRow& row) { rows.push_back(row); };
  REQUIRE(store->report(filter));
  REQUIRE(rows.size() == 2);
  for (const auto& row : rows) {
    REQUIRE(row.evidence);
    const bool hard = row.result == TrafficResult::bounced;
    CHECK(row.evidence->reason == (hard ? BounceReason::user_unknown : BounceReason::mailbox_full));
  }
}
