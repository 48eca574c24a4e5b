#include "policy/stream.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::policy;

namespace {

Stream stream(std::string name, std::vector<std::string> sender,
              Stream::Kind kind = Stream::Kind::marketing, std::vector<std::string> formerly = {}) {
  Stream result;
  result.name = std::move(name);
  result.sender = std::move(sender);
  result.kind = kind;
  result.formerly = std::move(formerly);
  return result;
}

constexpr auto transactional = Stream::Kind::transactional;

}  // namespace

TEST_CASE("matches_pattern") {
  struct Case {
    std::string_view pattern, sender;
    bool want;
  };
  const Case cases[] = {
      {"a@b", "a@b", true},    {"a@b", "A@B", true},       {"A@B", "a@b", true},
      {"a@b", "aa@b", false},  {"a@b", "a@bb", false},     {"*@b", "a@b", true},
      {"*@b", "@b", true},     {"*@b", "a@c@b", true},     {"*@b", "a@b.c", false},
      {"*@b", "a@a.b", false}, {"*@*.b", "a@a.b", true},   {"*@*.b", "a@b", false},
      {"*", "", true},         {"*", "a", true},           {"**", "a", true},
      {"", "", true},          {"", "a", false},           {"a*", "a", true},
      {"a*b*c", "abc", true},  {"a*b*c", "axbxbxc", true}, {"a*b*c", "axbxbx", false},
      {"*ab", "aab", true},    {"*aab", "aaab", true},     {"?", "a", false},
      {"[a]", "a", false},     {"a", "", false},
  };
  for (const auto& [pattern, sender, want] : cases) {
    CAPTURE(pattern);
    CAPTURE(sender);
    CHECK(matches_pattern(pattern, sender) == want);
  }
}

TEST_CASE("many stars do not multiply the work") {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "*a";
  pattern += "*b";
  CHECK_FALSE(matches_pattern(pattern, std::string(1000, 'a')));
  CHECK(matches_pattern(pattern, std::string(1000, 'a') + 'b'));
}

TEST_CASE("the first stream that matches the sender") {
  const Streams streams(
      {stream("alerts", {"alert@news.example", "\u00FCber*@M\u00DCNCHEN.example"}, transactional),
       stream("news", {"*@news.example", "*@*.news.example", "*@*.b\u00FCcher.example"}),
       stream("odd", {"\"a b\"@odd.example", "\xFF*@odd.example"}), stream("nobody", {})});
  struct Case {
    std::string_view sender, want;
  };
  const Case cases[] = {
      {"alert@news.example", "alerts"},
      {"ALERT@News.Example.", "alerts"},
      {"\"alert\"@news.example", "alerts"},
      {"\u00DCBERALL@xn--mnchen-3ya.example", "alerts"},
      {"u\u0308ber@m\u00FCnchen.example", "alerts"},
      {"a@news.example", "news"},
      {"a@x.news.example", "news"},
      {"a@x.b\u00FCcher.example", "news"},
      {"a@x.xn--bcher-kva.example", "news"},
      {"a@xnews.example", "default"},
      {"a@news.example.com", "default"},
      {"\"A B\"@odd.example", "odd"},
      {"a@odd.example", "default"},
  };
  for (const auto& [sender, want] : cases) {
    CAPTURE(sender);
    const auto mailbox = parse_mailbox(sender);
    REQUIRE(mailbox);
    CHECK(streams.of_envelope(*mailbox, "relay").name == want);
  }
}

TEST_CASE("the last resort") {
  const Streams none;
  REQUIRE(none.all().size() == 1);
  CHECK(none.fallback().name == "default");
  CHECK(none.fallback().kind == Stream::Kind::marketing);
  CHECK(none.fallback().consent == Stream::ConsentRule::opt_out);
  CHECK(none.find("default") == &none.fallback());
  CHECK(&none.of_envelope(*parse_mailbox("a@b"), "relay") == &none.fallback());

  auto configured = stream("default", {"*@late.example"}, transactional);
  configured.consent = Stream::ConsentRule::opt_in;
  const Streams streams(
      {stream("news", {"*@news.example"}), configured, stream("late", {"*@late.example"})});
  CHECK(streams.all().size() == 3);
  CHECK(streams.fallback() == configured);
  CHECK(streams.of_envelope(*parse_mailbox("a@b"), "relay") == configured);
  CHECK(streams.of_envelope(*parse_mailbox("a@late.example"), "relay").name == "default");
}

TEST_CASE("mail from <> is transactional, whatever is configured") {
  auto catch_all = stream("default", {"*"});
  catch_all.consent = Stream::ConsentRule::opt_in;
  const Streams streams({catch_all});
  const auto& null_sender = streams.of_envelope(Mailbox{}, "relay");
  CHECK(&null_sender == &streams.null_sender());
  CHECK(null_sender.name == "default");
  CHECK(null_sender.kind == transactional);
  CHECK(null_sender.consent == Stream::ConsentRule::opt_out);
}

TEST_CASE("find prefers a present name to a former one") {
  const Streams streams(
      {stream("news", {}, Stream::Kind::marketing, {"letters", "offers"}), stream("offers", {})});
  CHECK(streams.find("letters")->name == "news");
  CHECK(streams.find("offers")->name == "offers");
  CHECK(streams.find("News") == nullptr);
  CHECK(streams.find("") == nullptr);
}

TEST_CASE("what a scope covers") {
  const Streams streams({stream("news", {}, Stream::Kind::marketing, {"letters"}),
                         stream("offers", {}), stream("alerts", {}, transactional, {"alarms"})});
  const Stream& news = *streams.find("news");
  const Stream& offers = *streams.find("offers");
  const Stream& alerts = *streams.find("alerts");
  const Stream& fallback = streams.fallback();
  const Stream& null_sender = streams.null_sender();
  struct Case {
    Scope scope;
    const Stream& stream;
    bool hold, permission;
    std::string_view why;
  };
  const Scope all{};
  const Scope marketing{Scope::Kind::marketing, {}};
  const auto named = [](std::string name) { return Scope{Scope::Kind::stream, std::move(name)}; };
  const Case cases[] = {
      {all, news, true, true, "all"},
      {all, alerts, true, true, "all"},
      {all, null_sender, true, true, "all"},
      {marketing, news, true, true, "marketing"},
      {marketing, fallback, true, true, "default is marketing"},
      {marketing, alerts, false, false, "not marketing"},
      {marketing, null_sender, false, false, "not marketing"},
      {named("news"), news, true, true, "its name"},
      {named("letters"), news, true, true, "its former name"},
      {named("news"), offers, false, false, "another's name"},
      {named("letters"), offers, false, false, "another's former name"},
      {named("alarms"), alerts, true, true, "transactional, by a former name"},
      {named("news"), alerts, false, false, "another's name"},
      {named("gone"), news, true, false, "unknown: every marketing stream"},
      {named("gone"), fallback, true, false, "unknown: every marketing stream"},
      {named("gone"), alerts, false, false, "unknown: no other"},
      {named("gone"), null_sender, false, false, "unknown: no other"},
      {named("News"), news, true, false, "names are exact, so this one is unknown"},
      {named("default"), fallback, true, true, "its name"},
      {named("default"), null_sender, false, false, "nobody left the stream of <>, or came back"},
  };
  for (const auto& [scope, which, hold, permission, why] : cases) {
    CAPTURE(scope.stream);
    CAPTURE(which.name);
    CAPTURE(why);
    CHECK(hold_covers(scope, which, streams) == hold);
    CHECK(permission_covers(scope, which, streams) == permission);
  }
}

TEST_CASE("a name that one stream has and another had binds both") {
  const Streams streams(
      {stream("a", {}, Stream::Kind::marketing, {"b"}), stream("b", {}), stream("c", {})});
  const Scope scope{Scope::Kind::stream, "b"};
  CHECK(hold_covers(scope, *streams.find("a"), streams));
  CHECK(hold_covers(scope, *streams.find("b"), streams));
  CHECK_FALSE(hold_covers(scope, *streams.find("c"), streams));
}
