#include "program.h"

#include <boost/json/parse.hpp>

TEST_CASE("show: holds, consents and history, newest first, and what became of them") {
  const Folder folder;
  const auto store = folder.store(
      "email,status,stream,date,until,reason\n"
      "ann@example.com,unsubscribed,news,2026-03-01,,asked by phone\n"
      "ann@example.com,blocked,,2026-03-02,2026-04-01,spam trap\n"
      "ann@example.com,bounced,,2026-03-03,,550 no\n");
  REQUIRE(postern_run({"resubscribe", "ann@example.com", "--stream", "news", "--consent", "mail",
                       "--store", store})
              .status == 0);
  const auto ran = postern_run({"show", "ANN@example.com", "--store", store});
  CHECK(ran.status == 0);
  CHECK(ran.out.starts_with(
      "ann@example.com\n"
      "holds\n"
      "  bounced since 2026-03-03 (test: 550 no)\n"
      "  blocked since 2026-03-02 until 2026-04-01T00:00:00Z: over (test: spam trap)\n"
      "  unsubscribed since 2026-03-01 from stream news: lifted (test: asked by phone)\n"
      "consents\n"));
  CHECK(has(ran.out, " to stream news (cli: mail)\nrule\n"));
  CHECK(has(ran.out, " consented, stream news (cli: mail), by "));
  CHECK(has(ran.out, " lifted 1 hold for stream news (cli: mail), by "));
  CHECK(has(ran.out,
            "  stream default: refused, bounced: a bounce hold is about every stream\nhistory\n"));
  CHECK(has(ran.out, "  2026-03-03T00:00:00Z bounced, every stream (test: 550 no), import test-"));
  CHECK(has(ran.out,
            "  2026-03-02T00:00:00Z blocked, every stream, until 2026-04-01T00:00:00Z (test: spam "
            "trap), import test-"));
  CHECK(has(ran.out, "  2026-03-01T00:00:00Z unsubscribed, stream news (test: asked by phone), "));
  CHECK(ran.out.ends_with(", postern import\n"));
}

TEST_CASE("show: a lift of part of a hold is told") {
  const Folder folder;
  const auto store = folder.store("ann@example.com\n");
  REQUIRE(postern_run({"resubscribe", "ann@example.com", "--stream", "default", "--consent", "mail",
                       "--store", store})
              .status == 0);
  const auto ran = postern_run({"show", "ann@example.com", "--store", store});
  CHECK(has(ran.out, " from every marketing stream: lifted for stream default (test)\n"));
}

TEST_CASE("show: a domain, and who is not known") {
  const Folder folder;
  const auto store = folder.store("@example.net\n");
  CHECK(postern_run({"show", "@Example.NET", "--store", store})
            .out.starts_with("@example.net\nholds\n"));
  const auto covered = postern_run({"show", "x@example.net", "--store", store});
  CHECK(covered.status == 0);
  CHECK(has(covered.out, "  stream default: refused, unsubscribed: "));
  const auto unknown = postern_run({"show", "x@example.com", "--store", store});
  CHECK(unknown.status == 1);
  CHECK(unknown.out == "x@example.com: not known\n");
  CHECK(postern_run({"show", "x@example.com", "--json", "--store", store}).out.empty());
}

TEST_CASE("show: one JSON object a line") {
  const Folder folder;
  const auto store = folder.store(
      "email,date,reason\n"
      "ann@example.com,2026-03-01,\"asked \"\"twice\"\"\"\n");
  const auto ran = postern_run({"show", "ann@example.com", "--json", "--store", store});
  std::istringstream lines(ran.out);
  std::string line;
  REQUIRE(std::getline(lines, line));
  CHECK(boost::json::parse(line) == boost::json::value{{"record", "hold"},
                                                       {"address", "ann@example.com"},
                                                       {"status", "unsubscribed"},
                                                       {"scope", "marketing"},
                                                       {"date", "2026-03-01T00:00:00Z"},
                                                       {"state", "in force"},
                                                       {"source", "test"},
                                                       {"note", "asked \"twice\""}});
  REQUIRE(std::getline(lines, line));
  CHECK(boost::json::parse(line) ==
        boost::json::value{{"record", "rule"},
                           {"address", "ann@example.com"},
                           {"stream", "default"},
                           {"accepted", false},
                           {"reason", "unsubscribed"},
                           {"rule",
                            "an unsubscription without a stream holds for every marketing "
                            "stream"}});
  REQUIRE(std::getline(lines, line));
  const auto event = boost::json::parse(line).as_object();
  CHECK(event.at("record") == "event");
  CHECK(event.at("event") == "unsubscribed");
  CHECK(event.at("happened") == "2026-03-01T00:00:00Z");
  CHECK_FALSE(std::getline(lines, line));
}
