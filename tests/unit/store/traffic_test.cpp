#include "store/traffic.h"

#include "fixture.h"
#include "returns.h"
#include "store/campaigns.h"
#include "store/cursor.h"
#include "store/env.h"
#include "store/traffic_row.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;
using policy::Reason;

namespace {

policy::Passages passages(const Store& store, std::string campaign, Time time,
                          std::initializer_list<std::pair<std::string_view, Reason>> recipients,
                          std::string sender = "news@example.org", std::string stream = "news") {
  policy::Passages made{.stream = std::move(stream),
                        .campaign = std::move(campaign),
                        .sender = std::move(sender),
                        .time = time,
                        .recipients = {}};
  for (const auto& [address, reason] : recipients) {
    made.recipients.push_back({ref_of(store, address), reason});
  }
  return made;
}

void record(Store& store, std::vector<policy::Passages> made) {
  if (auto done = store.record(made); !done) FAIL(done.error().text);
}

std::vector<TrafficTotal> totals(const Store& store, const TrafficFilter& filter = {}) {
  auto report = store.report(filter);
  if (!report) FAIL(report.error().text);
  return std::move(report->totals);
}

std::vector<TrafficRow> rows(const Store& store, TrafficFilter filter = {}) {
  std::vector<TrafficRow> found;
  filter.each = [&](const TrafficRow& row) { found.push_back(row); };
  static_cast<void>(totals(store, filter));
  return found;
}

// The tables of a store without the store.
class Opened {
 public:
  explicit Opened(const std::filesystem::path& path)
      : env_(std::move(*Env::open({path, false, true, test_map_size}))) {
    auto txn = write();
    tables = *open_tables(txn, true);
    REQUIRE(txn.commit());
  }
  [[nodiscard]] Txn write() const { return std::move(*Txn::write(*env_)); }

  Tables tables;

 private:
  std::unique_ptr<Env> env_;
};

ContactKey key(std::uint8_t last) {
  ContactKey made{};
  made.back() = last;
  return made;
}

std::vector<std::pair<TrafficKey, TrafficRecord>> all_rows(const Txn& txn, const Tables& tables) {
  std::vector<std::pair<TrafficKey, TrafficRecord>> found;
  auto cursor = Cursor::open(txn, tables.traffic);
  for (auto more = cursor->first(); more && *more; more = cursor->next()) {
    auto& [row, record] = found.emplace_back();
    REQUIRE(decode(cursor->key(), row));
    REQUIRE(decode(cursor->value(), record));
  }
  return found;
}

}  // namespace

TEST_CASE("traffic is summed up by stream and campaign, each result apart") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  CHECK(totals(*store).empty());
  record(*store, {passages(*store, "spring", day(0),
                           {{"a@example.com", Reason::none},
                            {"b@example.com", Reason::none},
                            {"c@example.com", Reason::unsubscribed},
                            {"d@example.com", Reason::bounced}}),
                  passages(*store, "spring", day(1), {{"c@example.com", Reason::unsubscribed}}),
                  passages(*store, "", day(1), {{"a@example.com", Reason::blocked}})});
  record(*store, {passages(*store, "spring", day(2),
                           {{"c@example.com", Reason::complained},
                            {"e@example.com", Reason::no_consent},
                            {"a@example.com", Reason::none}}),
                  passages(*store, "spring", day(2), {{"a@example.com", Reason::none}},
                           "x@example.org", "alerts")});
  const auto found = totals(*store);
  REQUIRE(found.size() == 3);
  CHECK(found[0].stream == "alerts");
  CHECK(found[0].of(TrafficResult::passed) == 1);
  CHECK(found[1].stream == "news");
  CHECK(found[1].campaign.empty());
  CHECK(found[1].of(TrafficResult::refused_blocked) == 1);
  CHECK(found[1].last == day(1));
  const auto& spring = found[2];
  CHECK(spring.campaign == "spring");
  CHECK(spring.of(TrafficResult::passed) == 3);
  CHECK(spring.of(TrafficResult::refused_unsubscribed) == 2);
  CHECK(spring.of(TrafficResult::refused_bounced) == 1);
  CHECK(spring.of(TrafficResult::refused_complained) == 1);
  CHECK(spring.of(TrafficResult::refused_no_consent) == 1);
  CHECK(spring.refused() == 5);
  CHECK(spring.of(TrafficResult::unsubscribed) == 0);
  CHECK(spring.last == day(2));
}

TEST_CASE("a report is of the days, streams and campaign that are asked for") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const auto hour = std::chrono::hours{1};
  record(*store, {passages(*store, "spring", day(0) + 23 * hour, {{"a@example.com", Reason::none}}),
                  passages(*store, "spring", day(1), {{"a@example.com", Reason::none}}),
                  passages(*store, "summer", day(1) + hour, {{"a@example.com", Reason::none}}),
                  passages(*store, "spring", day(2), {{"a@example.com", Reason::none}},
                           "x@example.org", "old")});
  const auto passed = [&](const TrafficFilter& filter) {
    std::uint64_t all = 0;
    for (const auto& total : totals(*store, filter)) all += total.of(TrafficResult::passed);
    return all;
  };
  struct Case {
    TrafficFilter filter;
    std::uint64_t want;
    std::string_view why;
  };
  for (const auto& [filter, want, why] : {
           Case{{.since = day(0), .streams = {}, .campaign = {}, .each = {}}, 4, "all"},
           Case{{.since = day(1), .streams = {}, .campaign = {}, .each = {}}, 3, "from that day"},
           Case{{.since = day(1) + 20 * hour, .streams = {}, .campaign = {}, .each = {}},
                3,
                "the whole day"},
           Case{{.since = day(3), .streams = {}, .campaign = {}, .each = {}}, 0, "later"},
           Case{{.since = Time{}, .streams = {}, .campaign = "spring", .each = {}}, 3, "campaign"},
           Case{{.since = {}, .streams = {"old"}, .campaign = {}, .each = {}}, 1, "stream"},
           Case{{.since = {}, .streams = {"news", "old"}, .campaign = "spring", .each = {}},
                3,
                "a stream by several names"},
           Case{{.since = {}, .streams = {"none"}, .campaign = {}, .each = {}}, 0, "no stream"},
           Case{{.since = {}, .streams = {}, .campaign = "Spring", .each = {}}, 0, "no campaign"},
       }) {
    CAPTURE(why);
    CHECK(passed(filter) == want);
  }
}

TEST_CASE("rows of a contact, a campaign and a day: how often, and who sent last") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  apply(*store, hold("held@example.com", policy::HoldKind::blocked));
  record(*store,
         {passages(*store, "spring", day(0) + std::chrono::seconds{9},
                   {{"held@example.com", Reason::blocked}}, "second@example.org"),
          passages(*store, "spring", day(0) + std::chrono::seconds{5},
                   {{"held@example.com", Reason::blocked}, {"held@example.com", Reason::blocked}},
                   "first@example.org")});
  record(*store, {passages(*store, "spring", day(0) + std::chrono::seconds{7},
                           {{"held@example.com", Reason::blocked},
                            {"nobody@example.com", Reason::no_consent},
                            {"passed@example.com", Reason::none}},
                           "late@example.org")});
  record(*store, {passages(*store, "spring", day(1), {{"held@example.com", Reason::blocked}}, "")});
  auto found = rows(*store);
  REQUIRE(found.size() == 3);
  if (found[0].address.text.empty()) std::swap(found[0], found[1]);
  CHECK(found[0].address.text == "held@example.com");
  CHECK(found[0].stream == "news");
  CHECK(found[0].campaign == "spring");
  CHECK(found[0].result == TrafficResult::refused_blocked);
  CHECK(found[0].count == 4);
  CHECK(found[0].sender == "second@example.org");
  CHECK(found[0].last == day(0) + std::chrono::seconds{9});
  CHECK_FALSE(found[0].forgotten);
  CHECK(found[1].address.text.empty());
  CHECK(found[1].result == TrafficResult::refused_no_consent);
  CHECK(found[2].count == 1);
  CHECK(found[2].sender.empty());
  CHECK(found[2].last == day(1));
}

TEST_CASE("many rows: all of them are counted and listed, each once") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  constexpr int many = 10'000;
  std::vector<policy::Passages> made;
  for (int i = 0; i < many; ++i) {
    const std::string address = std::to_string(i) + "@example.com";
    made.push_back(passages(*store, "c" + std::to_string(i % 7), day(i % 3),
                            {{address, i % 2 == 0 ? Reason::none : Reason::bounced}}));
  }
  record(*store, std::move(made));
  std::uint64_t passed = 0;
  std::uint64_t refused = 0;
  const auto found = totals(*store);
  CHECK(found.size() == 7);
  for (const auto& total : found) {
    passed += total.of(TrafficResult::passed);
    refused += total.refused();
  }
  CHECK(passed == many / 2);
  CHECK(refused == many / 2);
  CHECK(rows(*store).size() == many / 2);
}

TEST_CASE("rows go after 400 days, and campaigns with the last of theirs") {
  const TemporaryDirectory directory;
  {
    const auto store = open(directory.path());
    record(*store, {passages(*store, "old", day(0), {{"a@example.com", Reason::none}}),
                    passages(*store, "lasting", day(0), {{"a@example.com", Reason::none}}),
                    passages(*store, "lasting", day(1), {{"a@example.com", Reason::none}})});
    REQUIRE(store->prune_report(day(400)));
    CHECK(totals(*store).size() == 2);
    REQUIRE(store->prune_report(day(401)));
    const auto left = totals(*store);
    REQUIRE(left.size() == 1);
    CHECK(left[0].campaign == "lasting");
    CHECK(left[0].of(TrafficResult::passed) == 1);
    record(*store, {passages(*store, "old", day(401), {{"a@example.com", Reason::none}})});
    CHECK(totals(*store).size() == 2);
    REQUIRE(store->prune_report(day(802)));
    CHECK(totals(*store).empty());
  }
  Opened opened(directory.path());
  auto txn = opened.write();
  // What is left: the last number that was given, and how many campaigns the stream has.
  CHECK(txn.size(opened.tables.campaigns)->entries == 2);
  CHECK(txn.size(opened.tables.traffic)->entries == 0);
}

TEST_CASE("old rows go in small pieces, the oldest first") {
  const TemporaryDirectory directory;
  Opened opened(directory.path());
  auto txn = opened.write();
  for (std::uint8_t i = 0; i < 10; ++i) {
    REQUIRE(count(txn, opened.tables, key(1), "news", "c", TrafficResult::passed, "", day(i)));
  }
  REQUIRE(prune_traffic(txn, opened.tables, day_of(day(8)), 3));
  auto left = all_rows(txn, opened.tables);
  REQUIRE(left.size() == 7);
  CHECK(left.front().first.day == day_of(day(3)));
  for (int i = 0; i < 3; ++i) {
    REQUIRE(prune_traffic(txn, opened.tables, day_of(day(8)), 3));
  }
  left = all_rows(txn, opened.tables);
  REQUIRE(left.size() == 2);
  CHECK(left.front().first.day == day_of(day(8)));
  CHECK(campaign_of(txn, opened.tables, left.front().first.campaign)->name == "c");
}

TEST_CASE("who is forgotten is counted without key and sender, before and afterwards") {
  const TemporaryDirectory directory;
  Opened opened(directory.path());
  const auto& tables = opened.tables;
  auto txn = opened.write();
  const auto note = [&](const ContactKey& who, TrafficResult result, int on, std::string_view by) {
    REQUIRE(count(txn, tables, who, "news", "spring", result, by, day(on)));
  };
  using enum TrafficResult;
  for (const int on : {0, 1, 5}) {
    note(key(1), passed, on, "one@example.org");
    note(key(2), refused_bounced, on, "two@example.org");
    note(key(2), unsubscribed, on, "two@example.org");
    note(key(3), passed, on, "three@example.org");
  }
  CHECK(*forget_traffic(txn, tables, key(2), day_of(day(1))) == 4);
  CHECK(*forget_traffic(txn, tables, key(2), day_of(day(1000))) == 2);
  CHECK(*forget_traffic(txn, tables, key(3), day_of(day(1000))) == 3);
  CHECK(*forget_traffic(txn, tables, key(9), day_of(day(1000))) == 0);
  // As forgetting leaves it: a record without an address.
  REQUIRE(txn.put(tables.contacts, key(3), octets_of("record")));
  note(key(3), passed, 5, "three@example.org");

  std::uint64_t all = 0;
  for (const auto& [row, record] : all_rows(txn, tables)) {
    CAPTURE(row.day);
    all += record.count;
    if (row.contact == key(1)) {
      CHECK(record.sender == "one@example.org");
    } else {
      CHECK(row.contact == ContactKey{});
      CHECK(record.sender.empty());
      CHECK(record.count == (row.day == day_of(day(5)) && row.result == passed ? 2 : 1));
    }
  }
  CHECK(all == 13);
}

TEST_CASE("a campaign has one number, a name that can be shown, and its stream only so many") {
  const TemporaryDirectory directory;
  Opened opened(directory.path());
  const auto& tables = opened.tables;
  auto txn = opened.write();
  const auto number = [&](std::string_view stream, std::string_view name,
                          std::uint32_t limit = max_campaigns) {
    auto found = number_of(txn, tables, stream, name, 1, limit);
    REQUIRE(found);
    return *found;
  };
  const auto name = [&](std::uint32_t of) { return campaign_of(txn, tables, of)->name; };
  const auto spring = number("news", "spring");
  CHECK(number("news", "spring") == spring);
  CHECK(number("alerts", "spring") != spring);
  CHECK(number("news", "Spring") != spring);
  // Key and name must not run into each other.
  CHECK(number("new", "sspring") != spring);
  CHECK(name(number("news", " a\tb\r\x1b[1m\x7f ")) == "a b  [1m");
  CHECK(name(number("news", "fr\xc3\xbchling")) == "fr\xc3\xbchling");
  CHECK(name(number("news", "fr\xfchling")) == "fr\\xfchling");
  CHECK(name(number("news", std::string(199, 'x') + "\xc3\xbc")) == std::string(199, 'x'));

  const auto others = number("alerts", "autumn", 1);
  CHECK(name(others) == "(others)");
  CHECK(campaign_of(txn, tables, others)->stream == "alerts");
  CHECK(number("alerts", "winter", 1) == others);
  CHECK(name(number("alerts", "spring", 1)) == "spring");
  CHECK(name(number("alerts", "", 1)) == "");
  CHECK(campaign_of(txn, tables, 999).error().code == Errc::damaged);
}

TEST_CASE("a row that does not read is said to be damaged") {
  const TemporaryDirectory directory;
  {
    Opened opened(directory.path());
    auto txn = opened.write();
    REQUIRE(txn.put(opened.tables.traffic, octets_of("no row"), {}));
    CHECK(prune_traffic(txn, opened.tables, 9, 9).error().code == Errc::damaged);
    CHECK(forget_traffic(txn, opened.tables, key(1), day_of(day(1000))).error().code ==
          Errc::damaged);
    REQUIRE(txn.commit());
  }
  const auto store = open(directory.path(), Mode::read_write);
  const auto report = store->report({});
  REQUIRE_FALSE(report);
  CHECK(report.error().code == Errc::damaged);
}

TEST_CASE("a store that is open for reading only records nothing") {
  const TemporaryDirectory directory;
  open(directory.path()).reset();
  const auto store = open(directory.path(), Mode::read_only);
  const auto made = passages(*store, "c", day(0), {{"a@example.com", Reason::none}});
  const auto done = store->record({&made, 1});
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Errc::unsupported);
  CHECK(totals(*store).empty());
}
