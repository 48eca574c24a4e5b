#include "program.h"
#include "store/store.h"

#include <memory>

#include <boost/json/parse.hpp>

namespace {

const std::string streams =
    "[[stream]]\nname = \"news\"\nformerly = [\"letters\"]\n"
    "[[stream]]\nname = \"alerts\"\nkind = \"transactional\"\n"
    "[[stream]]\nname = \"club\"\nconsent = \"opt-in\"\n";

const std::string rows =
    "email,status,stream,date,until,reason\n"
    "jane@example.com,unsubscribed,,2026-03-01,,asked by phone\n"
    "john@example.com,unsubscribed,letters,2026-03-02,,\n"
    "ann@example.com,complained,,2026-03-03,,\n"
    "bert@example.com,bounced,,2026-03-04,,550 5.1.1 user unknown\n"
    "carl@example.com,blocked,,2026-03-05,2999-04-01T00:00:00Z,spam trap\n"
    "@example.net,blocked,,2026-03-06,,\n"
    "d.o.t@gmail.com,unsubscribed,,2026-03-07,,\n";

}  // namespace

TEST_CASE("check: what the gate would answer, why, and what lifts it") {
  const Folder folder;
  const auto store = folder.store(rows);
  const auto config = folder.write("c.toml", streams);
  struct Case {
    std::vector<std::string> arguments;
    int status;
    std::string out;
    std::string_view why;
  };
  for (
      const auto& [arguments, status, out, why] : {
          Case{
              {"JANE@Example.COM"},
              1,
              "550 5.7.1 <JANE@example.com>: recipient unsubscribed on 2026-03-01\n"
              "  unsubscribed since 2026-03-01 from every marketing stream (test: asked by phone)\n"
              "  lift it with: postern resubscribe jane@example.com --consent 'how we know'\n",
              "one mailbox however it is spelled"},
          Case{
              {"jane+tag@example.com"},
              1,
              "550 5.7.1 <jane+tag@example.com>: recipient unsubscribed on 2026-03-01\n"
              "  unsubscribed since 2026-03-01 from every marketing stream (test: asked by phone), "
              "on jane@example.com\n"
              "  lift it with: postern resubscribe jane@example.com --consent 'how we know'\n",
              "the hold is where it is lifted"},
          Case{{"jane@example.com", "--stream", "alerts"},
               0,
               "250 <jane@example.com>: would be accepted (stream alerts)\n",
               "no marketing"},
          Case{{"john@example.com", "--stream", "news"},
               1,
               "550 5.7.1 <john@example.com>: recipient unsubscribed on 2026-03-02\n"
               "  unsubscribed since 2026-03-02 from stream letters (test)\n"
               "  lift it with: postern resubscribe john@example.com --stream letters --consent "
               "'how "
               "we know'\n",
               "the stream's former name"},
          Case{{"john@example.com"},
               0,
               "250 <john@example.com>: would be accepted (stream default)\n",
               "another stream"},
          Case{{"carl@example.com", "--at", "2999-03-31"},
               1,
               "550 5.7.1 <carl@example.com>: blocked on 2026-03-05: spam trap\n"
               "  blocked since 2026-03-05 until 2999-04-01T00:00:00Z (test: spam trap)\n"
               "  lift it with: postern unblock carl@example.com\n",
               "while it lasts"},
          Case{{"carl@example.com", "--at", "2999-04-01"},
               0,
               "250 <carl@example.com>: would be accepted (stream default)\n",
               "when it is over"},
          Case{{"x@example.net"},
               1,
               "550 5.7.1 <x@example.net>: blocked (whole domain) on 2026-03-06\n"
               "  blocked since 2026-03-06 (test), on @example.net\n"
               "  lift it with: postern unblock @example.net\n",
               "a domain"},
          Case{{"dot+x@googlemail.com"},
               1,
               "550 5.7.1 <dot+x@googlemail.com>: recipient unsubscribed on 2026-03-07\n"
               "  unsubscribed since 2026-03-07 from every marketing stream (test), on "
               "d.o.t@gmail.com\n"
               "  lift it with: postern resubscribe d.o.t@gmail.com --consent 'how we know'\n",
               "another spelling, by the provider's rule"},
          Case{
              {"new@example.com", "--stream", "club"},
              1,
              "550 5.7.1 <new@example.com>: no recorded consent to mail of this stream\n"
              "  stream club asks for a recorded opt-in\n"
              "  record one with: postern resubscribe new@example.com --stream club --consent 'how "
              "we know'\n",
              "an opt-in stream"},
      }) {
    CAPTURE(why);
    std::vector<std::string> all{"check", "--store", store, "--config", config};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto ran = postern_run(all);
    CHECK(ran.status == status);
    CHECK(ran.out == out);
    CHECK(ran.err.empty());
  }
}

TEST_CASE("check: a complaint and a bounce hold for transactional mail too") {
  const Folder folder;
  const auto store = folder.store(rows);
  const auto config = folder.write("c.toml", streams);
  const auto ran = postern_run({"check", "ann@example.com", "bert@example.com", "ok@example.com",
                                "--stream", "alerts", "--store", store, "--config", config});
  CHECK(ran.status == 1);
  CHECK(has(ran.out, "550 5.7.1 <ann@example.com>: recipient complained on 2026-03-03\n"));
  CHECK(
      has(ran.out, "550 5.1.1 <bert@example.com>: earlier mail bounced on 2026-03-04: 550 5.1.1"));
  CHECK(has(ran.out, "250 <ok@example.com>"));
}

TEST_CASE("check: nothing is asked before every argument is good") {
  const Folder folder;
  const auto store = folder.store(rows);
  struct Case {
    std::vector<std::string> arguments;
    std::string_view says;
  };
  for (const auto& [arguments, says] :
       {Case{{"a@example.com", "x@"}, "\"x@\" is no address"},
        Case{{"@example.net"}, "is no address"},
        Case{{"a@example.com", "--at", "soon"}, "--at: 'soon' is no date"},
        Case{{"a@example.com", "--stream", "nws"}, "no stream is named nws; there are: default"}}) {
    CAPTURE(says);
    std::vector<std::string> all{"check", "--store", store};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto ran = postern_run(all);
    CHECK(ran.status == 2);
    CHECK(ran.out.empty());
    CHECK(has(ran.err, says));
  }
}

TEST_CASE("check: one JSON object a line") {
  const Folder folder;
  const auto store = folder.store(rows);
  const auto ran =
      postern_run({"check", "--json", "jane@example.com", "ok@example.com", "--store", store});
  CHECK(ran.status == 1);
  std::istringstream lines(ran.out);
  std::string line;
  REQUIRE(std::getline(lines, line));
  CHECK(boost::json::parse(line) ==
        boost::json::value{{"address", "jane@example.com"},
                           {"stream", "default"},
                           {"accepted", false},
                           {"code", 550},
                           {"enhanced_status_code", "5.7.1"},
                           {"text", "<jane@example.com>: recipient unsubscribed on 2026-03-01"},
                           {"reason", "unsubscribed"},
                           {"date", "2026-03-01T00:00:00Z"},
                           {"source", "test"},
                           {"note", "asked by phone"}});
  REQUIRE(std::getline(lines, line));
  CHECK(boost::json::parse(line) == boost::json::value{{"address", "ok@example.com"},
                                                       {"stream", "default"},
                                                       {"accepted", true},
                                                       {"code", 250}});
  CHECK_FALSE(std::getline(lines, line));
}

TEST_CASE("check: at a time that is past, what the gate knew then") {
  using namespace postern;
  const Folder folder;
  const auto where = folder.file("store");
  {
    const auto store = store::Store::open({.path = where,
                                           .mode = store::Mode::create,
                                           .map_size = 1ULL << 30U,
                                           .providers = std::nullopt});
    REQUIRE(store);
    store::PlaceHold hold;
    hold.address = *policy::parse_contact("j.ane@gmail.com", false);
    hold.scope = {policy::Scope::Kind::marketing, {}};
    hold.origin = {.source = "cli", .note = {}, .by = {}};
    store::LiftHolds lift;
    lift.address = hold.address;
    lift.kinds = {policy::HoldKind::unsubscribed};
    lift.consent = true;
    lift.origin = hold.origin;
    const std::vector<store::Change> first{hold};
    const std::vector<store::Change> then{lift};
    REQUIRE((*store)->change(first, *parse_time("2026-03-01")));
    REQUIRE((*store)->change(then, *parse_time("2026-04-01")));
  }
  const auto config = folder.write("c.toml", streams);
  struct Case {
    std::string stream;
    std::string at;
    std::string_view says;
  };
  for (const auto& [stream, at, says] : {
           Case{"default", "2026-02-28", "250 "},
           Case{"default", "2026-03-01", "recipient unsubscribed on 2026-03-01"},
           Case{"default", "2026-03-31", "recipient unsubscribed on 2026-03-01"},
           Case{"default", "2026-04-01", "250 "},
           Case{"club", "2026-02-28", "no recorded consent"},
           Case{"club", "2026-04-01", "250 "},
       }) {
    CAPTURE(at);
    for (const auto address : {"j.ane@gmail.com", "jane@gmail.com", "j.ane+tag@gmail.com"}) {
      CAPTURE(address);
      CHECK(has(postern_run({"check", address, "--stream", stream, "--at", at, "--store", where,
                             "--config", config})
                    .out,
                says));
    }
  }
}

TEST_CASE("check: reads an address as every other verb does") {
  const Folder folder;
  const auto store = folder.store("ann@example.com\n");
  for (const auto address :
       {"<ann@example.com>", " ann@example.com", "<@relay.example:ann@example.com>"}) {
    CAPTURE(address);
    const auto ran = postern_run({"check", "--store", store, address});
    CHECK(ran.status == 1);
    CHECK(has(ran.out, "<ann@example.com>: recipient unsubscribed"));
  }
}

TEST_CASE("check: the command that records an opt-in can be pasted") {
  const Folder folder;
  const auto store = folder.store();
  const auto config = folder.write("c.toml", streams);
  const auto ran = postern_run({"check", "--stream", "club", "--store", store, "--config", config,
                                "--", "o'hara@example.com", "-a@example.com"});
  CHECK(ran.status == 1);
  CHECK(has(ran.out, R"(postern resubscribe 'o'\''hara@example.com' --stream club --consent)"));
  CHECK(has(ran.out, "--stream club --consent 'how we know' -- -a@example.com\n"));
}
