#include "policy/decision.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::policy;

namespace {

Time at(int seconds) { return Time{std::chrono::seconds{seconds}}; }
Scope named(std::string name) { return {Scope::Kind::stream, std::move(name)}; }
const Scope all{};
const Scope marketing{Scope::Kind::marketing, {}};
constexpr auto mailbox = Findings::Found::Form::mailbox;
constexpr auto domain = Findings::Found::Form::domain;

Streams configured() {
  Stream news;
  news.name = "news";
  news.formerly = {"letters"};
  Stream club;
  club.name = "club";
  club.consent = Stream::ConsentRule::opt_in;
  Stream alerts;
  alerts.name = "alerts";
  alerts.kind = Stream::Kind::transactional;
  return Streams({news, club, alerts});
}

const Streams streams = configured();
const Stream& news = *streams.find("news");
const Stream& club = *streams.find("club");
const Stream& alerts = *streams.find("alerts");
const Stream& null_sender = streams.null_sender();

Hold hold(HoldKind kind, Scope scope, int date = 10, std::uint64_t sequence = 1) {
  return {.id = hold_id({1, sequence}),
          .kind = kind,
          .scope = std::move(scope),
          .date = at(date),
          .until = {},
          .event = {1, sequence}};
}

Contact held(Hold one) {
  Contact contact;
  contact.holds.push_back(std::move(one));
  return contact;
}

void add(Findings& findings, Findings::Found::Form form, const Contact& contact) {
  findings.add(form).contact = contact;
}

Reason reason(const Contact& contact, const Stream& stream, Findings::Found::Form form = mailbox) {
  Findings findings;
  add(findings, form, contact);
  return decide(findings, stream, streams, at(100)).reason;
}

}  // namespace

TEST_CASE("a lift of the stream \"default\" frees no mail from <>, which only bears its name") {
  auto contact = held(hold(HoldKind::blocked, all));
  contact.lifts.push_back({contact.holds[0].id, named("default")});
  CHECK(reason(contact, null_sender) == Reason::blocked);
  CHECK(reason(contact, streams.fallback()) == Reason::none);
}

TEST_CASE("which streams a hold binds") {
  struct Case {
    Hold hold;
    bool in_news, in_alerts, in_null_sender;
    std::string_view why;
  };
  const Case cases[] = {
      {hold(HoldKind::unsubscribed, marketing), true, false, false, "without a stream: marketing"},
      {hold(HoldKind::unsubscribed, named("news")), true, false, false, "its stream"},
      {hold(HoldKind::unsubscribed, named("letters")), true, false, false, "a former name"},
      {hold(HoldKind::unsubscribed, named("alerts")), false, true, false, "a transactional stream"},
      {hold(HoldKind::unsubscribed, named("club")), false, false, false, "another stream"},
      {hold(HoldKind::unsubscribed, named("gone")), true, false, false, "in no configuration"},
      {hold(HoldKind::complained, all), true, true, true, "every stream"},
      {hold(HoldKind::bounced, all), true, true, true, "every stream"},
      {hold(HoldKind::blocked, all), true, true, true, "every stream"},
  };
  for (const auto& [one, in_news, in_alerts, in_null_sender, why] : cases) {
    CAPTURE(why);
    CAPTURE(one.scope.stream);
    const auto contact = held(one);
    CHECK(binds(one, contact, news, streams, at(100)) == in_news);
    CHECK(binds(one, contact, alerts, streams, at(100)) == in_alerts);
    CHECK(binds(one, contact, null_sender, streams, at(100)) == in_null_sender);
    CHECK((reason(contact, news) != Reason::none) == in_news);
  }
}

TEST_CASE("an end is exclusive") {
  auto one = hold(HoldKind::blocked, all);
  one.until = at(100);
  const auto contact = held(one);
  CHECK(binds(one, contact, news, streams, at(99)));
  CHECK_FALSE(binds(one, contact, news, streams, at(100)));
  CHECK_FALSE(binds(one, contact, news, streams, at(101)));
}

TEST_CASE("what a lift lifts") {
  struct Case {
    Scope hold, lift;
    bool news_bound, alerts_bound;
    std::string_view why;
  };
  const Case cases[] = {
      {all, all, false, false, "wholly"},
      {all, marketing, false, true, "for marketing"},
      {all, named("news"), false, true, "for one stream"},
      {all, named("letters"), false, true, "by its former name"},
      {all, named("alerts"), true, false, "for the other"},
      {all, named("gone"), true, true, "a permission for a stream that nobody knows"},
      {marketing, all, false, false, "more than was held"},
      {marketing, marketing, false, false, "as held"},
      {marketing, named("club"), true, false, "another stream"},
      {named("gone"), named("gone"), false, false,
       "as held: the dropped stream does not revive it"},
      {named("gone"), named("news"), false, false, "for this stream"},
      {named("gone"), named("club"), true, false, "for another"},
      {named("letters"), named("news"), false, false, "under the new name"},
      {named("news"), named("letters"), false, false, "under the old name"},
  };
  for (const auto& [scope, lift, news_bound, alerts_bound, why] : cases) {
    CAPTURE(why);
    const auto one = hold(HoldKind::unsubscribed, scope);
    auto contact = held(one);
    contact.lifts = {{one.id, lift}};
    CHECK(binds(one, contact, news, streams, at(100)) == news_bound);
    CHECK(binds(one, contact, alerts, streams, at(100)) == alerts_bound);
  }
}

TEST_CASE("a hold that the lift did not see survives it") {
  Contact contact;
  contact.holds = {hold(HoldKind::unsubscribed, marketing, 10, 1),
                   hold(HoldKind::unsubscribed, marketing, 20, 2)};
  contact.lifts = {{hold_id({1, 1}), all}, {hold_id({1, 3}), all}};
  Findings findings;
  add(findings, mailbox, contact);
  const auto verdict = decide(findings, news, streams, at(100));
  CHECK(verdict.reason == Reason::unsubscribed);
  CHECK(verdict.date == at(20));
  CHECK(verdict.event == EventId{1, 2});
}

TEST_CASE("of several holds, who speaks") {
  const auto blocked = hold(HoldKind::blocked, all, 40, 1);
  const auto complained = hold(HoldKind::complained, all, 30, 2);
  const auto unsubscribed = hold(HoldKind::unsubscribed, marketing, 20, 3);
  const auto bounced = hold(HoldKind::bounced, all, 10, 4);
  struct Case {
    std::vector<Hold> holds;
    Reason reason;
    std::uint64_t sequence;
    std::string_view why;
  };
  const Case cases[] = {
      {{blocked, complained, unsubscribed, bounced}, Reason::blocked, 1, "blocks above all"},
      {{complained, unsubscribed, bounced}, Reason::complained, 2, "then complaints"},
      {{unsubscribed, bounced}, Reason::unsubscribed, 3, "then unsubscriptions"},
      {{bounced}, Reason::bounced, 4, "then bounces"},
      {{hold(HoldKind::bounced, all, 5, 7), hold(HoldKind::bounced, all, 4, 9)},
       Reason::bounced,
       9,
       "the earliest date"},
      {{hold(HoldKind::bounced, all, 5, 7), hold(HoldKind::bounced, all, 5, 6)},
       Reason::bounced,
       6,
       "of one date the smaller event"},
      {{hold(HoldKind::unsubscribed, named("club"), 1, 1), hold(HoldKind::bounced, all, 5, 6)},
       Reason::bounced,
       6,
       "what does not bind does not speak"},
  };
  for (const auto& [holds, want, sequence, why] : cases) {
    CAPTURE(why);
    // All in one contact, and each in one of its own, in either order.
    Contact contact;
    contact.holds = holds;
    std::ranges::sort(contact.holds, {}, &Hold::id);
    Findings together;
    add(together, mailbox, contact);
    Findings forward;
    for (const auto& one : holds) add(forward, mailbox, held(one));
    Findings backward = forward;
    std::ranges::reverse(backward.entries);
    for (const auto* findings : {&together, &forward, &backward}) {
      const auto verdict = decide(*findings, news, streams, at(100));
      CHECK(verdict.reason == want);
      CHECK(verdict.event == EventId{1, sequence});
      CHECK_FALSE(verdict.domain_wide);
    }
  }
}

TEST_CASE("a domain's block, and the mailbox's own above it or below") {
  Findings findings;
  add(findings, mailbox, held(hold(HoldKind::unsubscribed, marketing, 5, 1)));
  add(findings, domain, held(hold(HoldKind::blocked, all, 10, 2)));
  const auto verdict = decide(findings, null_sender, streams, at(100));
  CHECK(verdict.reason == Reason::blocked);
  CHECK(verdict.domain_wide);
  CHECK(verdict.date == at(10));
}

TEST_CASE("consent") {
  const auto with = [](Scope scope) {
    Contact contact;
    contact.consents = {{.scope = std::move(scope), .date = at(1), .event = {1, 1}}};
    return contact;
  };
  CHECK(reason({}, club) == Reason::no_consent);
  CHECK(decide({}, club, streams, at(100)).reason == Reason::no_consent);
  CHECK(reason({}, news) == Reason::none);
  CHECK(reason({}, null_sender) == Reason::none);
  CHECK(reason(with(named("club")), club) == Reason::none);
  CHECK(reason(with(marketing), club) == Reason::none);
  CHECK(reason(with(all), club) == Reason::none);
  CHECK(reason(with(named("news")), club) == Reason::no_consent);
  CHECK(reason(with(named("gone")), club) == Reason::no_consent);
  CHECK(reason(with(all), club, domain) == Reason::no_consent);

  auto contact = with(named("club"));
  contact.holds = {hold(HoldKind::unsubscribed, named("club"))};
  CHECK(reason(contact, club) == Reason::unsubscribed);
  CHECK(reason(held(hold(HoldKind::bounced, all)), club) == Reason::bounced);

  Findings findings;
  add(findings, mailbox, {});
  add(findings, mailbox, with(all));
  CHECK(decide(findings, club, streams, at(100)).allowed());
}

TEST_CASE("findings are filled anew for each recipient") {
  Findings findings;
  CHECK(decide(findings, news, streams, at(100)).allowed());
  add(findings, domain, held(hold(HoldKind::blocked, all)));
  CHECK_FALSE(decide(findings, news, streams, at(100)).allowed());
  findings.clear();
  CHECK(decide(findings, news, streams, at(100)).allowed());
  const auto& found = findings.add(mailbox);
  CHECK(found.contact.empty());
  CHECK(found.form == mailbox);
  CHECK(findings.size == 1);
  CHECK(findings.entries.size() == 1);
}

TEST_CASE("names of reasons") {
  CHECK(to_string(Reason::none) == "none");
  CHECK(to_string(Reason::unsubscribed) == "unsubscribed");
  CHECK(to_string(Reason::complained) == "complained");
  CHECK(to_string(Reason::bounced) == "bounced");
  CHECK(to_string(Reason::blocked) == "blocked");
  CHECK(to_string(Reason::no_consent) == "no-consent");
}
