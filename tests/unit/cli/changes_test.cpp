#include "program.h"

namespace {

const std::string streams =
    "[[stream]]\nname = \"news\"\nformerly = [\"letters\"]\n"
    "[[stream]]\nname = \"alerts\"\nkind = \"transactional\"\n";

// A store and a configuration to change contacts in.
struct Desk {
  Folder folder;
  std::string store = folder.store();
  std::string config = folder.write("c.toml", streams);

  Ran operator()(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--store", store, "--config", config});
    return postern_run(arguments);
  }
  [[nodiscard]] bool refused(const std::string& address,
                             const std::string& stream = "default") const {
    return (*this)({"check", address, "--stream", stream}).status == 1;
  }
};

}  // namespace

TEST_CASE("unsubscribe: from every marketing stream, and a second time since when") {
  const Desk desk;
  const auto ran =
      desk({"unsubscribe", "Ann@Example.com", "bob@example.com", "--reason", "by phone"});
  CHECK(ran.status == 0);
  CHECK(ran.out ==
        "ann@example.com: unsubscribed from every marketing stream\n"
        "bob@example.com: unsubscribed from every marketing stream\n");
  CHECK(desk.refused("ann@example.com"));
  CHECK(desk.refused("ann@example.com", "news"));
  CHECK_FALSE(desk.refused("ann@example.com", "alerts"));
  const auto again = desk({"unsubscribe", "ann@example.com"});
  CHECK(again.status == 0);
  CHECK(again.out.starts_with("ann@example.com: already unsubscribed since 2"));
}

TEST_CASE("unsubscribe: from one stream, by its present or a former name") {
  const Desk desk;
  const auto ran = desk({"unsubscribe", "ann@example.com", "--stream", "letters"});
  CHECK(ran.out == "ann@example.com: unsubscribed from stream news\n");
  CHECK(ran.err.empty());
  CHECK(desk.refused("ann@example.com", "news"));
  CHECK_FALSE(desk.refused("ann@example.com"));
}

TEST_CASE(
    "unsubscribe: from a stream that is not configured, with a warning, for every marketing one") {
  const Desk desk;
  const auto ran = desk({"unsubscribe", "ann@example.com", "--stream", "offers"});
  CHECK(ran.status == 0);
  CHECK(has(ran.err, "warning: no stream of "));
  CHECK(has(ran.err, "(there are: news, alerts, default): such a hold counts for every marketing"));
  CHECK(desk.refused("ann@example.com", "news"));
  CHECK(desk({"unsubscribe", "ann@example.com", "--stream", "two words"}).status == 2);
}

TEST_CASE("changes: one bad address, and nothing is changed") {
  const Desk desk;
  for (const auto verb : {"unsubscribe", "block"}) {
    const auto ran = desk({verb, "ann@example.com", "x@", "@@"});
    CHECK(ran.status == 2);
    CHECK(ran.out.empty());
    CHECK(has(ran.err, "\"x@\" is no address"));
    CHECK(has(ran.err, "\"@@\""));
  }
  CHECK_FALSE(desk.refused("ann@example.com"));
  CHECK(desk({"unsubscribe", "@example.com"}).status == 2);
}

TEST_CASE("resubscribe: lifts unsubscriptions and complaints, and says what still stands") {
  const Desk desk;
  REQUIRE(postern_with_input("email,status,date\nann@example.com,complained,2026-03-01\n",
                             {"import", "-", "--store", desk.store})
              .status == 0);
  REQUIRE(desk({"unsubscribe", "ann@example.com"}).status == 0);
  REQUIRE(desk({"block", "ann@example.com", "--reason", "trap"}).status == 0);
  const auto ran = desk({"resubscribe", "ann@example.com", "--consent", "her mail"});
  CHECK(ran.status == 0);
  CHECK(ran.out.starts_with(
      "ann@example.com: consent to every stream recorded; lifted: complained since "
      "2026-03-01; unsubscribed since "));
  CHECK(has(ran.out, "\n  still blocked since "));
  CHECK(has(ran.out, " (cli: trap)\n  lift it with: postern unblock ann@example.com\n"));
  CHECK(desk.refused("ann@example.com"));

  const auto unblocked = desk({"unblock", "ann@example.com"});
  CHECK(unblocked.out == "ann@example.com: unblocked\n");
  CHECK_FALSE(desk.refused("ann@example.com"));
  CHECK(desk({"unblock", "ann@example.com"}).out == "ann@example.com: was not blocked\n");
}

TEST_CASE("resubscribe: to one stream lifts for that stream alone") {
  const Desk desk;
  REQUIRE(desk({"unsubscribe", "ann@example.com"}).status == 0);
  const auto ran =
      desk({"resubscribe", "ann@example.com", "--stream", "news", "--consent", "form"});
  CHECK(ran.status == 0);
  CHECK(has(ran.out, "consent to stream news recorded; lifted: unsubscribed since "));
  CHECK_FALSE(desk.refused("ann@example.com", "news"));
  CHECK(desk.refused("ann@example.com"));
}

TEST_CASE("resubscribe: a hold under a stream's former name goes with the stream") {
  const Desk desk;
  REQUIRE(postern_with_input("email,stream\nann@example.com,letters\n",
                             {"import", "-", "--store", desk.store})
              .status == 0);
  REQUIRE(desk.refused("ann@example.com", "news"));
  CHECK(desk({"resubscribe", "ann@example.com", "--stream", "news", "--consent", "x"}).status == 0);
  CHECK_FALSE(desk.refused("ann@example.com", "news"));
}

TEST_CASE("resubscribe: a name that nobody knows is a slip; one that a hold has is not") {
  const Desk desk;
  const auto slip = desk({"resubscribe", "ann@example.com", "--stream", "nws", "--consent", "x"});
  CHECK(slip.status == 2);
  CHECK(has(slip.err,
            "no stream is named nws, and no hold either; there are: news, alerts, default"));
  REQUIRE(desk({"unsubscribe", "ann@example.com", "--stream", "offers"}).status == 0);
  const auto ran = desk({"resubscribe", "ann@example.com", "--stream", "offers", "--consent", "x"});
  CHECK(ran.status == 0);
  CHECK_FALSE(desk.refused("ann@example.com"));
  const auto nothing = desk({"resubscribe", "new@example.com", "--consent", "x"});
  CHECK(nothing.out ==
        "new@example.com: consent to every stream recorded; there was nothing to lift\n");
}

TEST_CASE(
    "resubscribe: what stands on another spelling of the mailbox is named, with what lifts it") {
  const Desk desk;
  REQUIRE(desk({"unsubscribe", "j.ane@gmail.com"}).status == 0);
  const auto ran = desk({"resubscribe", "jane@gmail.com", "--consent", "x"});
  CHECK(ran.status == 0);
  CHECK(has(ran.out,
            ", on j.ane@gmail.com\n  lift it with: postern resubscribe j.ane@gmail.com --con"));
}

TEST_CASE("block: mailboxes, domains and subdomains, for every stream, until when") {
  const Desk desk;
  const auto ran = desk({"block", "ann@example.com", "@example.net", "@.example.org", "--reason",
                         "trap", "--until", "2999-01-01"});
  CHECK(ran.status == 0);
  CHECK(ran.out ==
        "ann@example.com: blocked until 2999-01-01T00:00:00Z\n"
        "@example.net: blocked until 2999-01-01T00:00:00Z\n"
        "@.example.org: blocked until 2999-01-01T00:00:00Z\n");
  CHECK(desk.refused("ann@example.com", "alerts"));
  CHECK(desk.refused("x@example.net"));
  CHECK_FALSE(desk.refused("x@sub.example.net"));
  CHECK(desk.refused("x@sub.example.org"));
  CHECK_FALSE(desk.refused("x@example.org"));
  CHECK_FALSE(postern_run({"check", "ann@example.com", "--at", "2999-01-01", "--store", desk.store})
                  .status == 1);

  CHECK(desk({"block", "ann@example.com", "--until", "2026-01-01"}).status == 2);
  CHECK(desk({"block", "ann@example.com", "--until", "soon"}).status == 2);
  CHECK(desk({"unblock", "@example.net", "@.example.org"}).out ==
        "@example.net: unblocked\n@.example.org: unblocked\n");
}

TEST_CASE("unblock: a mailbox whose domain is blocked stays so, and that is said") {
  const Desk desk;
  REQUIRE(desk({"block", "@example.net", "ann@example.net"}).status == 0);
  const auto ran = desk({"unblock", "ann@example.net"});
  CHECK(ran.status == 0);
  CHECK(has(ran.out, "ann@example.net: unblocked\n  still blocked since "));
  CHECK(has(ran.out, ", on @example.net\n  lift it with: postern unblock @example.net\n"));
}

TEST_CASE(
    "resubscribe: a domain that came by import, as check suggests; a domain consents to nothing") {
  const Desk desk;
  REQUIRE(postern_with_input("email,status,date\n@example.net,unsubscribed,2026-03-01\n",
                             {"import", "-", "--store", desk.store})
              .status == 0);
  CHECK(has(desk({"check", "ann@example.net"}).out,
            "lift it with: postern resubscribe @example.net --consent 'how we know'\n"));
  REQUIRE(desk({"block", "@example.net"}).status == 0);
  const auto ran = desk({"resubscribe", "@example.net", "--consent", "their postmaster"});
  CHECK(ran.status == 0);
  CHECK(ran.out.starts_with(
      "@example.net: lifted: unsubscribed since 2026-03-01 from every marketing stream\n"
      "  still blocked since "));
  CHECK_FALSE(has(desk({"show", "@example.net"}).out, "consent"));
  REQUIRE(desk({"unblock", "@example.net"}).status == 0);
  CHECK_FALSE(desk.refused("ann@example.net"));
}
