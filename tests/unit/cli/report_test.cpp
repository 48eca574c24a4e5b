#include "base/time.h"
#include "program.h"
#include "store/store.h"
#include "store/traffic.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/json/parse.hpp>

using namespace postern;
using policy::Reason;

namespace {

const Time today = std::chrono::floor<std::chrono::days>(current_time());

struct Told {
  std::string stream;
  std::string campaign;
  std::string address;
  Reason reason;
  int days_ago = 0;
};

// A store that knows left@example.com, and was told this.
std::string store_of(const Folder& folder, const std::vector<Told>& told) {
  const auto where = folder.store("left@example.com\n");
  auto store = store::Store::open(
      {.path = where, .mode = store::Mode::read_write, .map_size = 1ULL << 30U, .providers = {}});
  REQUIRE(store);
  std::vector<policy::Passages> passages;
  for (const auto& [stream, campaign, address, reason, days_ago] : told) {
    passages.push_back({.stream = stream,
                        .campaign = campaign,
                        .sender = "news@example.org",
                        .time = today - std::chrono::days{days_ago},
                        .recipients = {{*(*store)->ref({address}), reason}}});
  }
  REQUIRE((*store)->record(passages));
  return where;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("report: a line a campaign, why it was refused, and the sum") {
  const Folder folder;
  const auto store = store_of(folder, {{"news", "spring", "a@example.com", Reason::none},
                                       {"news", "spring", "b@example.com", Reason::none},
                                       {"news", "spring", "c@example.com", Reason::no_consent},
                                       {"news", "spring", "d@example.com", Reason::unsubscribed},
                                       {"news", "spring", "e@example.com", Reason::unsubscribed},
                                       {"alerts", "", "a@example.com", Reason::none}});
  const auto ran = postern_run({"report", "--store", store});
  CHECK(ran.status == 0);
  CHECK(ran.out ==
        "stream  campaign     passed    refused  unsubscribed  complained   bounced      soft  "
        "refused as\n"
        "alerts  -                 1          0             0           0         0         0\n"
        "news    spring            2          3             0           0         0         0  "
        "unsubscribed "
        "2, no-consent 1\n"
        "all     -                 3          3             0           0         0         0  "
        "unsubscribed "
        "2, no-consent 1\n");
  const auto one = postern_run({"report", "--campaign", "spring", "--store", store});
  CHECK(lines_of(one.out).size() == 2);
}

TEST_CASE("report: nothing recorded") {
  const Folder folder;
  const auto store = store_of(folder, {});
  CHECK(postern_run({"report", "--store", store}).out == "nothing is recorded\n");
  CHECK(postern_run({"report", "--json", "--store", store}).out.empty());
  CHECK(lines_of(postern_run({"report", "--format", "csv", "--store", store}).out).size() == 1);
  const auto none = postern_run({"report", "--recipients", "--format", "csv", "--store", store});
  CHECK(none.out ==
        "last,result,reason,count,address,stream,campaign,last_sender,code,diagnostic\n");
}

TEST_CASE("report: CSV and JSON lines have every count") {
  const Folder folder;
  const auto store = store_of(folder, {{"news", "a, \"b\"", "c@example.com", Reason::blocked},
                                       {"news", "", "c@example.com", Reason::none}});
  const auto last = format_time(today);
  CHECK(postern_run({"report", "--format", "csv", "--store", store}).out ==
        "stream,campaign,passed,refused,refused_unsubscribed,refused_complained,refused_bounced,"
        "refused_blocked,refused_no_consent,unsubscribed,complained,bounced,soft_bounced,delayed,"
        "delivered,suppressed,last\n"
        "news,,1,0,0,0,0,0,0,0,0,0,0,0,0,0," +
            last +
            "\n"
            "news,\"a, \"\"b\"\"\",0,1,0,0,0,1,0,0,0,0,0,0,0,0," +
            last + "\n");
  const auto json = postern_run({"report", "--json", "--store", store});
  CHECK(json.out == postern_run({"report", "--format", "jsonl", "--store", store}).out);
  const auto lines = lines_of(json.out);
  REQUIRE(lines.size() == 2);
  CHECK_FALSE(boost::json::parse(lines[0]).as_object().contains("campaign"));
  CHECK(boost::json::parse(lines[1]) == boost::json::value{{"stream", "news"},
                                                           {"campaign", "a, \"b\""},
                                                           {"passed", 0},
                                                           {"refused", 1},
                                                           {"refused_unsubscribed", 0},
                                                           {"refused_complained", 0},
                                                           {"refused_bounced", 0},
                                                           {"refused_blocked", 1},
                                                           {"refused_no_consent", 0},
                                                           {"unsubscribed", 0},
                                                           {"complained", 0},
                                                           {"bounced", 0},
                                                           {"soft_bounced", 0},
                                                           {"delayed", 0},
                                                           {"delivered", 0},
                                                           {"suppressed", 0},
                                                           {"last", last}});
}

TEST_CASE("report: recipients who were refused, one by one") {
  const Folder folder;
  const auto store = store_of(folder, {{"news", "spring", "left@example.com", Reason::unsubscribed},
                                       {"news", "", "stranger@example.com", Reason::no_consent, 1},
                                       {"news", "spring", "a@example.com", Reason::none}});
  const auto lines =
      lines_of(postern_run({"report", "--recipients", "--json", "--store", store}).out);
  REQUIRE(lines.size() == 2);
  CHECK(boost::json::parse(lines[0]) ==
        boost::json::value{{"last", format_time(today - std::chrono::days{1})},
                           {"result", "refused"},
                           {"reason", "no-consent"},
                           {"count", 1},
                           {"stream", "news"},
                           {"last_sender", "news@example.org"}});
  CHECK(boost::json::parse(lines[1]) == boost::json::value{{"last", format_time(today)},
                                                           {"result", "refused"},
                                                           {"reason", "unsubscribed"},
                                                           {"count", 1},
                                                           {"address", "left@example.com"},
                                                           {"stream", "news"},
                                                           {"campaign", "spring"},
                                                           {"last_sender", "news@example.org"}});
  const auto text = postern_run({"report", "--recipients", "--store", store}).out;
  CHECK(has(text, "refused: unsubscribed       1  left@example.com "));
  CHECK(has(text, "refused: no-consent         1  (no record) "));
  const auto table = postern_run({"report", "--recipients", "--format", "csv", "--store", store});
  CHECK(has(table.out, format_time(today) + ",refused,unsubscribed,1,left@example.com,news,spring,"
                                            "news@example.org,,\n"));
}

TEST_CASE("report: a stream goes by its present name, and is found by every one that it had") {
  const Folder folder;
  const auto store = store_of(folder, {{"letters", "spring", "a@example.com", Reason::none},
                                       {"news", "spring", "a@example.com", Reason::none},
                                       {"gone", "", "a@example.com", Reason::none}});
  const auto config = folder.write("postern.toml", "[store]\npath = \"" + store +
                                                       "\"\n[[stream]]\nname = \"news\"\n"
                                                       "formerly = [\"letters\"]\n");
  const auto report = [&](const std::string& stream) {
    return postern_run({"report", "--stream", stream, "--json", "--config", config});
  };
  const auto news = lines_of(report("news").out);
  REQUIRE(news.size() == 1);
  CHECK(boost::json::parse(news[0]).at("stream") == "news");
  CHECK(boost::json::parse(news[0]).at("passed") == 2);
  CHECK(report("letters").out == report("news").out);
  CHECK(lines_of(report("gone").out).size() == 1);
  CHECK(report("default").status == 0);
  CHECK(report("default").out.empty());
  const auto slip = report("newss");
  CHECK(slip.status == 2);
  CHECK(slip.out.empty());
  CHECK(slip.err ==
        "postern: no stream is named newss, and nothing is recorded of one; there are: news, "
        "default\n");
}

TEST_CASE("report: from a day on, and never of what is older than 400 days") {
  const Folder folder;
  const auto store = store_of(folder, {{"news", "", "a@example.com", Reason::none, 399},
                                       {"news", "", "b@example.com", Reason::none, 10},
                                       {"news", "", "c@example.com", Reason::none, 0}});
  const auto passed = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"report", "--json", "--store", store});
    const auto lines = lines_of(postern_run(more).out);
    return lines.empty() ? 0 : boost::json::parse(lines[0]).at("passed").as_int64();
  };
  CHECK(passed({}) == 3);
  CHECK(passed({"--since", format_date(today - std::chrono::days{10})}) == 2);
  CHECK(passed({"--since", format_date(today - std::chrono::days{9})}) == 1);
  CHECK(passed({"--since", "2999-01-01"}) == 0);
}

TEST_CASE("report: a wrong call shows nothing") {
  const Folder folder;
  const auto store = store_of(folder, {{"news", "", "a@example.com", Reason::none}});
  for (const auto& wrong : {std::vector<std::string>{"--format", "xml"},
                            {"--since", "yesterday"},
                            {"--json", "--format", "csv"},
                            {"--stream", ""}}) {
    auto arguments = wrong;
    arguments.insert(arguments.begin(), {"report", "--store", store});
    const auto ran = postern_run(arguments);
    CAPTURE(wrong.back());
    CHECK(ran.status == 2);
    CHECK(ran.out.empty());
    CHECK(has(ran.err, wrong.front()));
  }
}
