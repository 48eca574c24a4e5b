#include "store/store.h"

#include "fixture.h"
#include "returns.h"
#include "store/location.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;
using policy::HoldKind;

TEST_CASE("holds: placed once, lifted for their scope, and anew") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  using Kind = Outcome::Kind;
  const auto a = "a@example.com";

  CHECK(apply(*store, hold(a)).kind == Kind::changed);
  CHECK(apply(*store, hold(a), day(1)).kind == Kind::unchanged);
  CHECK(apply(*store, hold(a, HoldKind::unsubscribed, stream("news"))).kind == Kind::changed);
  CHECK(apply(*store, hold(a, HoldKind::complained, all())).kind == Kind::changed);
  CHECK(contact_of(*store, a).holds.size() == 3);

  auto partly = apply(*store, lift(a, {HoldKind::unsubscribed}, stream("offers")), day(2));
  CHECK(partly.kind == Kind::changed);
  REQUIRE(partly.lifted.size() == 1);  // not the one of another stream, nor the complaint
  CHECK(partly.lifted[0].scope == marketing());
  CHECK(apply(*store, lift(a, {HoldKind::unsubscribed}, stream("offers"))).kind == Kind::unchanged);
  // Said again after a partial lift, it binds whole again.
  CHECK(apply(*store, hold(a), day(3)).kind == Kind::changed);
  CHECK(apply(*store, hold(a), day(4)).kind == Kind::unchanged);

  const auto rest = apply(*store, lift(a, {HoldKind::unsubscribed, HoldKind::complained}, all()));
  CHECK(rest.lifted.size() == 4);
  CHECK(apply(*store, lift(a, {HoldKind::unsubscribed, HoldKind::complained}, all())).kind ==
        Kind::unchanged);
  CHECK(apply(*store, lift(a, {HoldKind::bounced}, all())).kind == Kind::unchanged);

  const auto history = history_of(*store, a);
  CHECK(history.size() == 6);
  CHECK(history.front().event.recorded == day(3));
  CHECK(std::ranges::is_sorted(history, std::ranges::greater{},
                               [](const auto& entry) { return entry.event.recorded; }));
}

TEST_CASE("a hold until a day: told apart by its end, and not lifted when it is over") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto block = hold("@example.com", HoldKind::blocked, all());
  block.until = day(10);
  CHECK(apply(*store, block).kind == Outcome::Kind::changed);
  CHECK(apply(*store, block).kind == Outcome::Kind::unchanged);
  CHECK(apply(*store, lift("@example.com", {HoldKind::blocked}, all()), day(10)).kind ==
        Outcome::Kind::unchanged);
  CHECK(apply(*store, lift("@example.com", {HoldKind::blocked}, all()), day(9)).kind ==
        Outcome::Kind::changed);
}

TEST_CASE("imported holds are known by their identity") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  using Kind = Outcome::Kind;
  auto row = hold("a@example.com");
  row.date = day(-100);
  row = imported(row);
  CHECK(apply(*store, row).kind == Kind::changed);
  CHECK(apply(*store, row, day(30)).kind == Kind::unchanged);
  CHECK(contact_of(*store, "a@example.com").holds[0].date == day(-100));

  apply(*store, lift("a@example.com", {HoldKind::unsubscribed}, marketing()), day(31));
  CHECK(apply(*store, row, day(60)).kind == Kind::returned);
  auto later = row;
  later.date = day(50);  // another opt-out, after the return
  later = imported(later);
  CHECK(apply(*store, later, day(60)).kind == Kind::changed);

  auto undated = hold("b@example.com");
  undated = imported(undated);
  CHECK(apply(*store, undated, day(1)).kind == Kind::changed);
  CHECK(apply(*store, undated, day(2)).kind == Kind::unchanged);
  CHECK(contact_of(*store, "b@example.com").holds[0].date == day(1));

  auto block = hold("c@example.com", HoldKind::blocked, all());
  block.date = day(0);
  block = imported(block);
  block.until = day(5);
  CHECK(apply(*store, block).kind == Kind::changed);
  block.until = day(9);  // the restriction wins
  CHECK(apply(*store, block).kind == Kind::changed);
  block.until = day(7);
  CHECK(apply(*store, block).kind == Kind::unchanged);
  CHECK(contact_of(*store, "c@example.com").holds[0].until == day(9));
}

TEST_CASE("a consent lifts nothing, and says by what the contact is held") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const GiveConsent consent{
      contact("a@example.com"), marketing(), day(-3), {"shop", "order 17", ""}};
  CHECK(apply(*store, consent).kind == Outcome::Kind::changed);
  CHECK(apply(*store, consent).kind == Outcome::Kind::unchanged);
  apply(*store, hold("a@example.com", HoldKind::bounced, all()));
  apply(*store, hold("a@example.com"));
  const auto kept = apply(*store, consent);
  CHECK(kept.kind == Outcome::Kind::kept);
  CHECK(kept.held_by->kind == HoldKind::unsubscribed);
  CHECK(history_of(*store, "a@example.com").size() == 3);

  const GiveConsent other{contact("b@example.com"), stream("news"), {}, {"shop", "", ""}};
  apply(*store, hold("b@example.com", HoldKind::unsubscribed, stream("offers")));
  CHECK(apply(*store, other).kind == Outcome::Kind::changed);  // held, but for another stream
}

TEST_CASE("what is wrong is refused before anything is written") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const auto wrong = [](policy::Scope scope, std::string address) {
    return PlaceHold{.address = {std::move(address)},
                     .kind = HoldKind::unsubscribed,
                     .scope = std::move(scope),
                     .date = {},
                     .until = {},
                     .known_as = {},
                     .except = {},
                     .origin = {}};
  };
  struct Case {
    Change change;
    std::string_view why;
  };
  const Case cases[] = {
      {wrong(all(), ""), "no address"},
      {wrong(all(), "nobody"), "no domain"},
      {wrong(all(), std::string(2000, 'a') + "@x"), "longer than any address"},
      {wrong(stream(""), "a@example.com"), "a stream without a name"},
      {wrong(stream(std::string(65, 's')), "a@example.com"), "a name beyond the limit"},
      {wrong(stream("\xFF"), "a@example.com"), "a name that no export could write"},
      {wrong({policy::Scope::Kind::all, "news"}, "a@example.com"), "two scopes at once"},
  };
  for (const auto& [change, why] : cases) {
    CAPTURE(why);
    const std::vector<Change> changes{hold("good@example.com"), change};
    auto outcome = store->change(changes, day(0));
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == Errc::invalid);
  }
  CHECK(contact_of(*store, "good@example.com").empty());
  CHECK(store->stats(day(0))->events == 0);
}

TEST_CASE("a change that is wrong by itself fails alone where that is asked for") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto bad = hold("bad@example.com");
  bad.address.text = "postmaster";
  const std::vector<Change> changes{hold("a@example.com"), bad, hold("b@example.com")};
  const auto outcomes = store->change_each(changes, day(0));
  REQUIRE(outcomes);
  REQUIRE(outcomes->size() == 3);
  CHECK((*outcomes)[0].has_value());
  REQUIRE_FALSE((*outcomes)[1].has_value());
  CHECK((*outcomes)[1].error().code == Errc::invalid);
  CHECK((*outcomes)[2].has_value());
  CHECK(store->stats(day(0))->contacts == 2);
}

TEST_CASE("what changes nothing is not committed") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  apply(*store, hold("a@example.com"));
  const auto octets = [&] {
    std::ifstream in(data_file(directory.path()), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string before = octets();
  CHECK(apply(*store, hold("a@example.com")).kind == Outcome::Kind::unchanged);
  CHECK(apply(*store, lift("b@example.com", {HoldKind::bounced}, all())).kind ==
        Outcome::Kind::unchanged);
  CHECK(octets() == before);
  apply(*store, hold("b@example.com"));
  CHECK(octets() != before);
}

TEST_CASE("notes and sources are cut between characters and always UTF-8") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  std::string umlauts;
  for (int i = 0; i < 600; ++i) umlauts += "ä";
  auto change = hold("a@example.com", HoldKind::unsubscribed, marketing(), "x" + umlauts);
  change.origin.source = umlauts;
  apply(*store, change);
  apply(*store, hold("b@example.com", HoldKind::bounced, all(), "550 \xE4 no\r\n"));
  const auto entry = history_of(*store, "a@example.com").at(0);
  CHECK(entry.note.size() == 999);
  CHECK(entry.source.size() == 254);
  CHECK(history_of(*store, "b@example.com").at(0).note.starts_with("550 \\x"));
  CHECK(store->event(entry.event.id)->note == entry.note);
  CHECK(store->event({1, 2}).error().code == Errc::not_found);
}

// Lifts here are of every scope, so that what stands is a plain set: a model that shares no code
// with the store.
TEST_CASE("random changes, with the store closed and opened in between, against a model") {
  using Standing = std::set<std::pair<HoldKind, policy::Scope>>;
  const std::vector<policy::Scope> scopes{all(), marketing(), stream("news"), stream("offers")};
  const std::vector<std::string> addresses{
      "a@example.com", "a+tag@example.com", "b.c@gmail.com",      "bc@googlemail.com",
      "@example.com",  "@.example.org",     "\"q q\"@example.net"};
  for (const unsigned seed : {1U, 2U, 3U}) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](std::size_t bound) { return random() % bound; };
    const TemporaryDirectory directory;
    auto store = open(directory.path());
    std::map<std::string, Standing> model;
    std::uint64_t events = 0;
    for (int step = 0; step < 400; ++step) {
      if (pick(40) == 0) {
        store.reset();
        store = open(directory.path(), Mode::read_write);
      }
      const std::string& address = addresses[pick(addresses.size())];
      const auto kind = static_cast<HoldKind>(1 + pick(4));
      Standing& standing = model[address];
      if (pick(5) == 0 && !address.starts_with('@')) {
        // Return mail, by its token's hash alone now and then; the same again is nothing.
        auto mail = returned(*store, address, policy::BounceReason::user_unknown);
        if (pick(3) == 0) mail.address = {};
        if (pick(2) == 0) mail.evidence.type = policy::ReturnType::complaint;
        const bool complaint = mail.evidence.type == policy::ReturnType::complaint;
        mail.digest[0] = static_cast<std::uint8_t>(step);
        mail.digest[1] = static_cast<std::uint8_t>(step / 256);
        const bool fresh =
            standing.emplace(complaint ? HoldKind::complained : HoldKind::bounced, all()).second;
        const auto outcome = apply(*store, mail, day(step));
        CHECK(outcome.kind == Outcome::Kind::changed);
        CHECK(outcome.placed.has_value() == fresh);
        CHECK(apply(*store, mail, day(step)).kind == Outcome::Kind::unchanged);
        ++events;
      } else if (pick(3) != 0) {
        const auto& scope = scopes[pick(scopes.size())];
        const bool fresh = standing.emplace(kind, scope).second;
        const auto outcome = apply(*store, hold(address, kind, scope), day(step));
        CHECK((outcome.kind == Outcome::Kind::changed) == fresh);
        events += fresh ? 1 : 0;
      } else {
        const auto gone =
            std::erase_if(standing, [&](const auto& one) { return one.first == kind; });
        const auto outcome = apply(*store, lift(address, {kind}, all()), day(step));
        CHECK(outcome.lifted.size() == gone);
        events += gone != 0 ? 1 : 0;
      }
    }
    CHECK(store->stats(day(0))->events == events);
    CHECK(store->verify({})->wrong == 0);
    for (const auto& [address, standing] : model) {
      CAPTURE(address);
      const policy::Contact found = contact_of(*store, address);
      Standing stands;
      for (const auto& one : found.holds) {
        const auto lifted =
            std::ranges::any_of(found.lifts, [&](const auto& by) { return by.hold == one.id; });
        if (!lifted) stands.emplace(one.kind, one.scope);
      }
      CHECK(stands == standing);
      // The state is the fold of the events, in whatever order they come.
      auto history = history_of(*store, address);
      for (int order = 0; order < 5; ++order) {
        std::ranges::shuffle(history, random);
        policy::Contact folded;
        for (const auto& entry : history) policy::apply(folded, entry.event);
        CHECK(folded == found);
      }
    }
  }
}

TEST_CASE("a full map: nothing is half done, and it goes on once there is room") {
  const TemporaryDirectory directory;
  constexpr std::uint64_t small = 256UL * 1024;
  std::vector<std::string> acknowledged;
  {
    const auto store = open(directory.path(), Mode::create, small);
    std::optional<Error> error;
    for (int number = 0; !error && number < 100'000; number += 20) {
      std::vector<Change> changes;
      for (int i = 0; i < 20; ++i) {
        changes.emplace_back(hold(std::to_string(number + i) + "@example.com"));
      }
      if (auto done = store->change(changes, day(0)); !done) {
        error = done.error();
      } else {
        for (const Change& change : changes) {
          acknowledged.push_back(std::get<PlaceHold>(change).address.text);
        }
      }
    }
    REQUIRE(error);
    CHECK(error->code == Errc::full);
    CHECK(error->text.contains("map_size"));
    CHECK(store->stats(day(0))->contacts == acknowledged.size());
    CHECK(store->stats(day(0))->events == acknowledged.size());
    auto reader = store->reader();
    REQUIRE(reader);
    CHECK(found_by(**reader, acknowledged.front()) == 1);
  }
  const auto store = open(directory.path(), Mode::read_write);
  for (const auto& address : acknowledged) CHECK(contact_of(*store, address).holds.size() == 1);
  CHECK(apply(*store, hold("later@example.com")).kind == Outcome::Kind::changed);
}

TEST_CASE("pages: every contact once, mailboxes and domains, at any page's size") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  std::set<std::string> wanted;
  std::vector<Change> changes;
  for (int i = 0; i < 25; ++i) {
    for (const char* form : {"{}@example.com", "@d{}.example"}) {
      std::string address = form;
      address.replace(address.find("{}"), 2, std::to_string(i));
      changes.emplace_back(hold(address, HoldKind::blocked, all()));
      wanted.insert(address);
    }
  }
  REQUIRE(store->change(changes, day(0)));
  for (const std::size_t limit : {1U, 7U, 25U, 50U, 1000U}) {
    CAPTURE(limit);
    std::multiset<std::string> found;
    std::string after;
    do {
      auto page = store->contacts(after, limit);
      REQUIRE(page);
      CHECK(page->records.size() <= limit);
      for (const auto& record : page->records) {
        CHECK(record.contact.holds.size() == 1);
        found.insert(record.address.text);
      }
      after = page->last_key;
    } while (!after.empty());
    CHECK(std::set(found.begin(), found.end()) == wanted);
    CHECK(found.size() == wanted.size());
  }
}

TEST_CASE("stats and stream names") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  CHECK(store->stats(day(0))->contacts == 0);
  CHECK(store->stream_names()->empty());
  apply(*store, hold("a@example.com", HoldKind::unsubscribed, stream("news")));
  apply(*store, hold("a@example.com", HoldKind::bounced, all()));
  apply(*store, hold("b@example.com", HoldKind::complained, all()));
  apply(*store, hold("c@example.com"));
  apply(*store, lift("c@example.com", {HoldKind::unsubscribed}, stream("offers"), true));
  apply(*store, hold("d@example.com", HoldKind::blocked, all()));
  apply(*store, lift("d@example.com", {HoldKind::blocked}, all()));
  apply(*store, hold("@example.org", HoldKind::blocked, all()));
  auto ends = hold("e@example.com", HoldKind::blocked, all());
  ends.until = day(10);
  apply(*store, ends);
  CHECK(store->stats(day(9))->blocked == 1);
  const auto stats = store->stats(day(10));
  REQUIRE(stats);
  CHECK(stats->contacts == 5);
  CHECK(stats->domains == 1);
  CHECK(stats->events == 10);
  CHECK(stats->unsubscribed == 2);
  CHECK(stats->complained == 1);
  CHECK(stats->bounced == 1);
  CHECK(stats->blocked == 0);
  CHECK(stats->consents == 1);
  CHECK(stats->bytes_used > 0);
  CHECK(stats->bytes_used <= stats->bytes_file);
  CHECK(*store->stream_names() == std::vector<std::string>{"news", "offers"});
}

TEST_CASE("a person who comes back again and again is one consent; who leaves finds room") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  LiftHolds back = lift("a@x.example", {policy::HoldKind::unsubscribed}, stream("news"), true);
  back.most_entries = 10;
  CHECK(apply(*store, back).kind == Outcome::Kind::changed);
  for (int i = 0; i < 5; ++i) CHECK(apply(*store, back).kind == Outcome::Kind::unchanged);
  CHECK(history_of(*store, "a@x.example").size() == 1);
  for (int i = 0; i < 20; ++i) {
    apply(*store, hold("a@x.example", policy::HoldKind::unsubscribed, stream("news")));
    const auto done = store->change(std::vector<Change>{back}, day(0));
    if (!done) CHECK(done.error().code == Errc::invalid);
  }
  const auto contact = contact_of(*store, "a@x.example");
  CHECK(contact.holds.size() + contact.lifts.size() + contact.consents.size() <= 12);
  CHECK(apply(*store, hold("a@x.example", policy::HoldKind::blocked, all())).kind ==
        Outcome::Kind::changed);
}
