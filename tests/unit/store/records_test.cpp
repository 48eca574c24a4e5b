// The octets of records: what is written is read back, and nothing else is believed.
#include "store/contact_record.h"
#include "store/event_record.h"
#include "store/keys.h"
#include "store/rows/encoding.h"
#include "store/utf8.h"

#include <random>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::store;

namespace {

Time at(int seconds) { return Time{std::chrono::seconds{seconds}}; }

policy::Contact sample() {
  policy::Contact contact;
  using Kind = policy::Scope::Kind;
  const policy::Scope scopes[] = {{Kind::all, {}}, {Kind::marketing, {}}, {Kind::stream, "news"}};
  for (std::uint8_t i = 0; i < 3; ++i) {
    policy::Hold hold;
    hold.id.octets[0] = i;
    hold.kind = static_cast<policy::HoldKind>(i + 1);
    hold.scope = scopes[i];
    hold.date = at(-1000 * i);
    if (i == 1) hold.until = at(99);
    hold.event = {i, ~0ULL};
    contact.holds.push_back(hold);
    contact.lifts.push_back({hold.id, scopes[i], i == 1});
    contact.consents.push_back({scopes[i], at(i), {7, i}});
  }
  return contact;
}

std::vector<std::uint8_t> octets_of_record(const auto& value) {
  OctetWriter out;
  encode(value, out);
  return {out.octets().begin(), out.octets().end()};
}

EventRecord event(policy::Facts facts) {
  return {{1, 2, 3}, at(5), at(-6), "cli", "root, postern", 77, std::move(facts)};
}

std::vector<EventRecord> sample_events() {
  const policy::Scope news{policy::Scope::Kind::stream, "news"};
  return {
      event(policy::HoldPlaced{policy::HoldKind::blocked, {}, at(77), policy::HoldId{{9}}}),
      event(policy::HoldPlaced{policy::HoldKind::bounced, news, {}, {}}),
      event(policy::HoldsLifted{{policy::HoldId{{1}}, policy::HoldId{{2}}}, news}),
      event(policy::HoldsLifted{{policy::HoldId{{1}}}, news, true}),
      event(policy::HoldPlaced{policy::HoldKind::bounced,
                               {},
                               {},
                               policy::HoldId{{9}},
                               policy::ReturnEvidence{policy::ReturnType::bounce,
                                                      policy::BounceReason::suppressed, "5.1.1"}}),
      event(policy::HoldsLifted{{policy::HoldId{{1}}}, {}, false, true}),
      event(policy::Reported{{policy::ReturnType::unsubscribe, {}, ""},
                             policy::Reported::Weight::sign_of_life}),
      event(policy::Forgotten{}),
      event(policy::ConsentGiven{news})};
}

}  // namespace

TEST_CASE("a contact's record reads back, into memory that was used before") {
  policy::Contact read = sample();
  read.holds.resize(9);
  for (const auto& contact : {sample(), policy::Contact{}}) {
    REQUIRE(decode(octets_of_record(contact), read));
    CHECK(read == contact);
  }
}

TEST_CASE("a contact's record that is cut, longer, of another version or out of order is none") {
  const auto good = octets_of_record(sample());
  policy::Contact read;
  for (std::size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(decode(Octets(good).first(size), read));
  }
  auto longer = good;
  longer.push_back(0);
  CHECK_FALSE(decode(longer, read));
  for (const std::uint8_t version : {std::uint8_t{0}, std::uint8_t{77}, std::uint8_t{255}}) {
    auto other = good;
    other[0] = version;
    CHECK_FALSE(decode(other, read));
  }
  auto counted = good;  // four thousand million holds: no memory for them
  for (std::size_t i = 1; i < 5; ++i) counted[i] = 0xFF;
  CHECK_FALSE(decode(counted, read));
  auto unordered = sample();
  std::swap(unordered.holds[0], unordered.holds[1]);
  CHECK_FALSE(decode(octets_of_record(unordered), read));
  auto twice = sample();
  twice.lifts.push_back(twice.lifts.back());
  CHECK_FALSE(decode(octets_of_record(twice), read));
}

TEST_CASE("any octet of a record may be any other: read or refused, never more") {
  std::mt19937 random(1);
  const auto good = octets_of_record(sample());
  policy::Contact read;
  EventRecord event_read;
  for (int round = 0; round < 20'000; ++round) {
    auto bad = good;
    bad[random() % bad.size()] = static_cast<std::uint8_t>(random());
    if (decode(bad, read)) CHECK(octets_of_record(read) == bad);
    const auto events = sample_events();
    auto bad_event = octets_of_record(events[static_cast<std::size_t>(round) % events.size()]);
    bad_event[random() % bad_event.size()] = static_cast<std::uint8_t>(random());
    if (decode(bad_event, event_read)) CHECK(octets_of_record(event_read) == bad_event);
  }
}

TEST_CASE("an event's record reads back, and only whole") {
  for (const auto& record : sample_events()) {
    const auto octets = octets_of_record(record);
    EventRecord read;
    REQUIRE(decode(octets, read));
    CHECK(octets_of_record(read) == octets);
    CHECK(read.contact == record.contact);
    CHECK(read.happened == record.happened);
    CHECK(read.recorded == record.recorded);
    CHECK(read.source == record.source);
    CHECK(read.facts.index() == record.facts.index());
    for (std::size_t size = 0; size < octets.size(); ++size) {
      CHECK_FALSE(decode(Octets(octets).first(size), read));
    }
  }
}

TEST_CASE("keys: events in their order, contacts by a keyed hash of the pieces as one text") {
  CHECK(event_key({1, 2}) < event_key({1, 256}));
  CHECK(event_key({1, 256}) < event_key({2, 0}));
  CHECK(event_id(event_key({0x0102030405060708, 42})) == policy::EventId{0x0102030405060708, 42});

  // The reference implementation's vector for 128 bits, key 00..0f, input 00 01 02.
  HashKey key{};
  for (std::uint8_t i = 0; i < 16; ++i) key[i] = i;
  const KeyHasher hasher(key);
  const std::string input("\x00\x01\x02", 3);
  const ContactKey want{0x9c, 0x70, 0xb6, 0x0c, 0x52, 0x67, 0xa9, 0x4e,
                        0x5f, 0x33, 0xb6, 0xb0, 0x29, 0x85, 0xed, 0x51};
  CHECK(hasher(input) == want);
  CHECK(hasher(input) == want);
  CHECK(hasher({input.substr(0, 1), input.substr(1)}) == want);
  const KeyHasher other({});
  CHECK(other(input) != want);
  CHECK(*random_origin() != *random_origin());
}

TEST_CASE("UTF-8: shortest forms, no surrogates, nothing beyond the last plane") {
  struct Case {
    std::string_view text;
    bool want;
    std::string_view why;
  };
  const Case cases[] = {
      {"", true, "nothing"},
      {"a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x93\xAB", true, "one to four octets"},
      {"\xEF\xBF\xBF\xF4\x8F\xBF\xBF", true, "the last of the planes"},
      {"\x80", false, "no lead"},
      {"\xC3", false, "cut"},
      {"\xE2\x82", false, "cut"},
      {"\xC0\xAF", false, "overlong"},
      {"\xE0\x80\xAF", false, "overlong"},
      {"\xF0\x80\x80\xAF", false, "overlong"},
      {"\xED\xA0\x80", false, "a surrogate"},
      {"\xF4\x90\x80\x80", false, "above U+10FFFF"},
      {"\xF5\x80\x80\x80", false, "above U+10FFFF"},
      {"\xC3(", false, "no continuation"},
  };
  for (const auto& [text, want, why] : cases) {
    CAPTURE(why);
    CHECK(rows::is_utf8(text) == want);
  }
  CHECK(kept_text("aä", 2) == "a");
  CHECK(kept_text("aä", 3) == "aä");
  CHECK(kept_text(std::string_view("a\0b", 3), 100).find('\0') == std::string::npos);
}
