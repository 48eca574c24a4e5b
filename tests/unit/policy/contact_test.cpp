#include "policy/contact.h"

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::policy;

namespace {

Time at(int seconds) { return Time{std::chrono::seconds{seconds}}; }
Scope stream(std::string name) { return {Scope::Kind::stream, std::move(name)}; }
const Scope all{};
const Scope marketing{Scope::Kind::marketing, {}};

Event event(std::uint64_t sequence, int happened, Facts facts) {
  return {.id = {7, sequence},
          .happened = at(happened),
          .recorded = at(1000),
          .facts = std::move(facts)};
}
HoldPlaced placed(HoldKind kind, Scope scope, std::optional<Time> until = {},
                  std::optional<HoldId> imported = {}) {
  return {.kind = kind, .scope = std::move(scope), .until = until, .imported = imported};
}

Contact fold(const std::vector<Event>& events) {
  Contact contact;
  for (const auto& one : events) apply(contact, one);
  return contact;
}

const HoldId row = imported_hold_id(HoldKind::unsubscribed, stream("news"), "tool", at(5));

// Every kind of event, with everything that can meet: one imported hold thrice, lifts before and
// after, repetition.
std::vector<Event> every_kind() {
  return {
      event(1, 10, placed(HoldKind::unsubscribed, marketing)),
      event(2, 9, placed(HoldKind::blocked, all, at(500))),
      event(3, 5, placed(HoldKind::unsubscribed, stream("news"), at(100), row)),
      event(4, 4, placed(HoldKind::unsubscribed, stream("news"), at(200), row)),
      event(5, 6, HoldsLifted{{row, hold_id({7, 1}), row}, stream("news")}),
      event(6, 6, HoldsLifted{{row}, all}),
      event(7, 6, ConsentGiven{stream("news")}),
  };
}

}  // namespace

TEST_CASE("any order gives the same contact") {
  auto events = every_kind();
  const Contact want = fold(events);
  CHECK(want.holds.size() == 3);
  CHECK(want.lifts.size() == 3);
  CHECK(want.consents.size() == 1);
  std::vector<std::size_t> order(events.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::size_t wrong = 0;
  do {
    Contact contact;
    for (const auto i : order) apply(contact, events[i]);
    wrong += contact == want ? 0 : 1;
  } while (std::ranges::next_permutation(order).found);
  CHECK(wrong == 0);
}

TEST_CASE("any repetition gives the same contact, its vectors sorted and unique") {
  std::mt19937 random(20260301);
  const auto number = [&](int below) {
    return static_cast<int>(random() % static_cast<unsigned>(below));
  };
  const auto scope = [&] {
    return std::vector{all, marketing, stream("a"), stream("b")}[random() % 4];
  };
  const auto kind = [&] { return static_cast<HoldKind>(1 + number(4)); };
  const std::vector<HoldId> imported = {row, HoldId{}, hold_id({7, 3})};
  const auto end = [&] { return number(2) == 0 ? std::nullopt : std::optional(at(number(50))); };
  for (int round = 0; round < 300; ++round) {
    std::vector<Event> events;
    for (std::uint64_t i = 0; i < 12; ++i) {
      Facts facts = ConsentGiven{scope()};
      if (number(2) == 0) {
        // Kind and scope disagree under one identity too: a foreign gate may send anything.
        facts = placed(kind(), scope(), end(),
                       number(2) == 0 ? std::nullopt : std::optional(imported[random() % 3]));
      } else if (number(2) == 0) {
        facts = HoldsLifted{{imported[random() % 3], hold_id({7, i})}, scope()};
      }
      events.push_back(event(i, number(50), std::move(facts)));
    }
    const Contact want = fold(events);
    CHECK(std::ranges::is_sorted(want.holds, {}, &Hold::id));
    CHECK(std::ranges::adjacent_find(want.holds, {}, &Hold::id) == want.holds.end());
    CHECK(std::ranges::is_sorted(want.lifts));
    CHECK(std::ranges::adjacent_find(want.lifts) == want.lifts.end());
    CHECK(std::ranges::is_sorted(want.consents));
    CHECK(std::ranges::adjacent_find(want.consents) == want.consents.end());
    auto repeated = events;
    for (int i = 0; i < 12; ++i) repeated.push_back(events[random() % events.size()]);
    std::ranges::shuffle(repeated, random);
    CHECK(fold(repeated) == want);
  }
}

TEST_CASE("one imported hold of two events: the restriction wins") {
  struct Case {
    std::optional<Time> first, second, want;
    std::string_view why;
  };
  const Case cases[] = {
      {at(1), at(2), at(2), "the later end"},
      {at(2), at(1), at(2), "in either order"},
      {std::nullopt, at(2), std::nullopt, "no end is the latest"},
      {at(2), std::nullopt, std::nullopt, "in either order"},
  };
  for (const auto& [first, second, want, why] : cases) {
    CAPTURE(why);
    const auto contact =
        fold({event(9, 30, placed(HoldKind::unsubscribed, stream("news"), first, row)),
              event(8, 40, placed(HoldKind::unsubscribed, stream("news"), second, row))});
    REQUIRE(contact.holds.size() == 1);
    const auto& hold = contact.holds.front();
    CHECK(hold.id == row);
    CHECK(hold.until == want);
    CHECK(hold.date == at(30));
    CHECK(hold.event == EventId{7, 8});
    CHECK(hold.kind == HoldKind::unsubscribed);
    CHECK(hold.scope == stream("news"));
  }
}

TEST_CASE("one imported hold of events about other streams: what binds both, in any order") {
  const std::vector<Scope> scopes{stream("news"), stream("offers"), marketing, all};
  const auto joined = [&](const std::vector<Scope>& which) {
    std::vector<Event> events;
    for (const auto& scope : which) {
      events.push_back(event(1, 5, placed(HoldKind::unsubscribed, scope, {}, row)));
    }
    return fold(events).holds.at(0).scope;
  };
  CHECK(joined({stream("news"), stream("offers")}) == all);
  CHECK(joined({stream("news"), marketing}) == all);
  CHECK(joined({marketing, all}) == all);
  for (const auto& a : scopes) {
    CHECK(joined({a, a}) == a);
    for (const auto& b : scopes) {
      CHECK(joined({a, b}) == joined({b, a}));
      for (const auto& c : scopes) {
        CHECK(joined({joined({a, b}), c}) == joined({a, joined({b, c})}));
      }
    }
  }
}

TEST_CASE("a hold's date is when it happened, not when it was written down") {
  const auto contact = fold({event(1, 10, placed(HoldKind::bounced, all))});
  REQUIRE(contact.holds.size() == 1);
  CHECK(contact.holds[0].date == at(10));
  CHECK(contact.holds[0].id == hold_id({7, 1}));
  CHECK(contact.holds[0].event == EventId{7, 1});
  CHECK_FALSE(contact.empty());
}

TEST_CASE("two ordinary holds are two") {
  const auto contact = fold({event(1, 10, placed(HoldKind::unsubscribed, marketing)),
                             event(2, 10, placed(HoldKind::unsubscribed, marketing))});
  CHECK(contact.holds.size() == 2);
}

TEST_CASE("hold_id is the event's octets, big-endian") {
  const HoldId want{{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 2, 1}};
  CHECK(hold_id({0x0102030405060708, 0x0201}) == want);
}

TEST_CASE("an imported hold is known by kind, scope, source and date, and by nothing else") {
  std::set<HoldId> ids;
  std::size_t made = 0;
  const std::string nul("a\0b", 3);
  for (const auto kind : {HoldKind::unsubscribed, HoldKind::complained}) {
    for (const auto& scope :
         {all, marketing, stream(""), stream("a"), stream("ab"), stream("all")}) {
      for (const auto& source :
           {std::string(), std::string("a"), std::string("b"), std::string("ab"), nul}) {
        for (const auto date : {std::optional<Time>{}, std::optional{at(0)}, std::optional{at(-1)},
                                std::optional{at(1)}}) {
          ids.insert(imported_hold_id(kind, scope, source, date));
          ++made;
          CHECK(imported_hold_id(kind, scope, source, date) ==
                imported_hold_id(kind, scope, source, date));
        }
      }
    }
  }
  CHECK(ids.size() == made);
  // Stored identities: a change of this value makes every import of old rows silence anew.
  CHECK(row == HoldId{{0xca, 0xb8, 0x32, 0xfb, 0x39, 0x50, 0x2b, 0x93, 0xd0, 0x32, 0x58, 0x3a, 0x7a,
                       0x5c, 0x87, 0xdc}});
}

TEST_CASE("names of holds") {
  for (const auto kind :
       {HoldKind::unsubscribed, HoldKind::complained, HoldKind::bounced, HoldKind::blocked}) {
    CHECK(parse_hold_kind(to_string(kind)) == kind);
  }
  CHECK(to_string(HoldKind::unsubscribed) == "unsubscribed");
  for (const auto* text : {"", "Unsubscribed", "subscribed", "unknown", "blocked "}) {
    CHECK_FALSE(parse_hold_kind(text));
  }
}
