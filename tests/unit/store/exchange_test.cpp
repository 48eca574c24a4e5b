// Import and export, and that one reads what the other wrote.
#include "store/exchange.h"

#include "fixture.h"
#include "policy/decision.h"

#include <algorithm>
#include <random>
#include <sstream>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;
using policy::HoldKind;

namespace {

ImportSummary import(Store& store, const std::string& text, ImportOptions options = {}) {
  if (options.now == Time{}) options.now = day(0);
  std::istringstream in(text);
  auto summary = import_rows(store, in, options);
  if (summary.error) FAIL(summary.error->text);
  return summary;
}

std::string exported(const Store& store, const ExportOptions& options) {
  std::ostringstream out;
  auto count = export_rows(store, out, options);
  if (!count) FAIL(count.error().text);
  std::string text = out.str();
  const auto lines = static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
  CHECK(*count + (options.format == ExportFormat::csv ? 1 : 0) <= lines);
  return text;
}

ExportOptions as(ExportFormat format) {
  return {.status = {}, .stream = {}, .streams = nullptr, .format = format, .now = day(100)};
}

StreamConfig stream_config(std::string name, StreamConfig::Kind kind,
                           StreamConfig::ConsentRule rule) {
  StreamConfig config;
  config.name = std::move(name);
  config.kind = kind;
  config.consent = rule;
  return config;
}

}  // namespace

TEST_CASE("the status of a row: its own counts only towards more restriction") {
  struct Case {
    std::string_view row_status;
    std::optional<RowStatus> option;
    std::vector<std::string_view> want;  // the holds' kinds; none: a consent
  };
  const Case cases[] = {
      {"", {}, {"unsubscribed"}},
      {"", RowStatus::blocked, {"blocked"}},
      {"bounced", {}, {"bounced"}},
      {"bounced", RowStatus::bounced, {"bounced"}},
      {"complained", {}, {"complained"}},
      {"subscribed", {}, {}},
      {"subscribed", RowStatus::unsubscribed, {"unsubscribed"}},
      {"unsubscribed", RowStatus::subscribed, {"unsubscribed"}},
      {"blocked", RowStatus::bounced, {"blocked", "bounced"}},
      {"bounced", RowStatus::blocked, {"blocked", "bounced"}},
      {"bounced", RowStatus::complained, {"bounced", "complained"}},
      {"unsubscribed", RowStatus::bounced, {"bounced", "unsubscribed"}},
      {"", RowStatus::subscribed, {}},
  };
  for (const auto& [row_status, option, want] : cases) {
    CAPTURE(row_status);
    CAPTURE(want.size());
    const TemporaryDirectory directory;
    const auto store = open(directory.path());
    const auto summary =
        import(*store, "email,status\na@x.example," + std::string(row_status) + "\n",
               {.status = option, .stream = "", .source = "list", .now = day(0)});
    CHECK(summary.added == 1);
    const auto found = contact_of(*store, "a@x.example");
    std::vector<std::string_view> kinds;
    for (const auto& one : found.holds) {
      kinds.push_back(to_string(one.kind));
      CHECK(one.scope == (one.kind == HoldKind::unsubscribed ? marketing() : all()));
    }
    std::ranges::sort(kinds);
    CHECK(kinds == want);
    REQUIRE(found.consents.size() == (want.empty() ? 1 : 0));
    if (want.empty()) CHECK(found.consents[0].scope == marketing());
  }
}

TEST_CASE("a row of two holds is one row, and its end is of what the row itself says") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const std::string file = "email,status,until\na@x.example,blocked,2030-01-01\n";
  ImportOptions options{.status = RowStatus::bounced, .stream = "", .source = "", .now = day(0)};
  CHECK(import(*store, file, options).added == 1);
  for (const auto& one : contact_of(*store, "a@x.example").holds) {
    CHECK(one.until.has_value() == (one.kind == HoldKind::blocked));
  }
  CHECK(import(*store, file, options).unchanged == 1);
  options.status = RowStatus::complained;
  const auto half_new = import(*store, file, options);
  CHECK(half_new.added == 1);
  CHECK(half_new.unchanged == 0);
  CHECK(contact_of(*store, "a@x.example").holds.size() == 3);
}

TEST_CASE("scopes: the row's stream, else the option's, else every marketing stream") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  import(*store,
         "email,stream,status\na@x.example,,\nb@x.example,offers,\nc@x.example,all,\nd@x.example,"
         "offers,bounced\n",
         {.status = {}, .stream = "news", .source = "", .now = day(0)});
  CHECK(contact_of(*store, "a@x.example").holds[0].scope == stream("news"));
  CHECK(contact_of(*store, "b@x.example").holds[0].scope == stream("offers"));
  CHECK(contact_of(*store, "c@x.example").holds[0].scope == all());
  CHECK(contact_of(*store, "d@x.example").holds[0].scope == all());
}

TEST_CASE("rows that may not be: said with line and reason, the others stored") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const auto summary = import(*store,
                              "email,status,source\n"
                              "a@x.example,subscribed,\n"
                              "b@x.example,subscribed,shop\n"
                              "@x.example,bounced,\n"
                              "@x.example,blocked,\n"
                              "nonsense,,\n"
                              "c@x.example,,\n"
                              "<postmaster>,,\n"
                              "d@x.example,,\n");
  CHECK(summary.rows == 8);
  CHECK(summary.added == 4);
  CHECK(summary.rejected == 4);
  REQUIRE(summary.rejections.size() == 4);
  CHECK(summary.rejections[0].line == 2);
  CHECK(summary.rejections[0].text == "a@x.example,subscribed,");
  CHECK(summary.rejections[0].reason.contains("source"));
  CHECK(summary.rejections[1].line == 4);
  CHECK(summary.rejections[2].line == 6);
  CHECK(summary.rejections[3].line == 8);
  CHECK(summary.rejections[3].text == "<postmaster>,,");
  CHECK(summary.rejections[3].reason.contains("domain"));
  CHECK(contact_of(*store, "d@x.example").holds.size() == 1);

  std::string many;
  for (int i = 0; i < 1500; ++i) many += "nonsense\n";
  const auto all_bad = import(*store, many);
  CHECK(all_bad.rejected == 1500);
  CHECK(all_bad.rejections.size() == 1000);
}

TEST_CASE("the same file twice changes nothing, whatever the size of its chunks") {
  std::string file = "email,status,stream,date,until,source,reason\n";
  for (int i = 0; i < 50; ++i) {
    const std::string who = std::to_string(i) + "@x.example,";
    file += who + "unsubscribed,,2026-01-01,,list,\n" + who + "bounced,,,,list,550 no\n" + who +
            "blocked,,,2030-01-01,list,\n" + "s" + who + "subscribed,news,2026-01-02,,shop,ok\n";
  }
  for (const std::size_t chunk : {1U, 7U, 200U, 10'000U}) {
    const TemporaryDirectory directory;
    const auto store = open(directory.path());
    const ImportOptions options{
        .status = {}, .stream = "", .source = "", .now = day(0), .chunk = chunk};
    CHECK(import(*store, file, options).added == 200);
    const auto again = import(*store, file, options);
    CHECK(again.unchanged == 200);
    CHECK(again.added == 0);
    CHECK(store->stats(day(0))->events == 200);
  }
}

TEST_CASE("a contact that came back is not silenced anew; one that is held is kept") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const std::string file = "email,date\na@x.example,2026-01-01\nb@x.example,\n";
  import(*store, file);
  apply(*store, lift("a@x.example", {HoldKind::unsubscribed}, marketing()), day(1));
  apply(*store, lift("b@x.example", {HoldKind::unsubscribed}, marketing()), day(1));
  const auto again = import(*store, file);
  CHECK(again.returned == 2);
  CHECK(again.added == 0);

  for (const auto& [kind, address] :
       {std::pair{HoldKind::unsubscribed, "u@x.example"},
        std::pair{HoldKind::bounced, "v@x.example"}, std::pair{HoldKind::complained, "w@x.example"},
        std::pair{HoldKind::blocked, "y@x.example"}}) {
    apply(*store, hold(address, kind, kind == HoldKind::unsubscribed ? marketing() : all()));
  }
  const auto kept =
      import(*store, "u@x.example\nv@x.example\nw@x.example\ny@x.example\nz@x.example\n",
             {.status = RowStatus::subscribed, .stream = "", .source = "shop", .now = day(2)});
  CHECK(kept.kept == 4);
  CHECK(kept.kept_unsubscribed == 1);
  CHECK(kept.kept_bounced == 1);
  CHECK(kept.kept_complained == 1);
  CHECK(kept.kept_blocked == 1);
  CHECK(kept.added == 1);
}

TEST_CASE(
    "a store that is full fails the import; what was committed stays, and the file can be "
    "repeated") {
  const TemporaryDirectory directory;
  std::string file = "nonsense\n";
  for (int i = 0; i < 3000; ++i) file += std::to_string(i) + "@x.example\n";
  const ImportOptions options{.status = {}, .stream = "", .source = "", .now = day(0), .chunk = 50};
  std::uint64_t stored = 0;
  {
    const auto store = open(directory.path(), Mode::create, 512UL * 1024);
    std::istringstream in(file);
    const auto summary = import_rows(*store, in, options);
    REQUIRE(summary.error);
    CHECK(summary.error->code == Errc::full);
    stored = store->stats(day(0))->contacts;
    CHECK(stored > 0);
    CHECK(stored % 50 == 0);
    // What was done until then is told.
    CHECK(summary.added == stored);
    CHECK(summary.rejected == 1);
    CHECK(summary.rows == stored + 1);
    REQUIRE(summary.rejections.size() == 1);
    CHECK(summary.rejections[0].text == "nonsense");
  }
  const auto store = open(directory.path(), Mode::read_write);
  const auto summary = import(*store, file, options);
  CHECK(summary.unchanged == stored);
  CHECK(summary.added == 3000 - stored);
}

TEST_CASE("export as import reads it: columns, quotes, scopes") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  apply(*store, hold("a@x.example", HoldKind::unsubscribed, stream("news"), "said \"no\",\nreally"),
        day(1));
  CHECK(exported(*store, as(ExportFormat::csv)) ==
        "address,status,stream,date,until,source,reason\n"
        "a@x.example,unsubscribed,news,2024-10-05T00:00:00Z,,cli,\"said \"\"no\"\",\nreally\"\n");
  CHECK(exported(*store, as(ExportFormat::jsonl)) ==
        "{\"address\":\"a@x.example\",\"status\":\"unsubscribed\",\"stream\":\"news\","
        "\"date\":\"2024-10-05T00:00:00Z\",\"source\":\"cli\",\"reason\":\"said "
        "\\\"no\\\",\\nreally\"}\n");
  CHECK(exported(*store, as(ExportFormat::postfix)) ==
        "a@x.example REJECT 5.7.1 recipient unsubscribed on 2024-10-05\n");
}

TEST_CASE("export: what stands, filtered by status and stream") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  apply(*store, hold("lifted@x.example"));
  apply(*store, lift("lifted@x.example", {HoldKind::unsubscribed}, marketing(), true));
  apply(*store, hold("partly@x.example"));
  apply(*store, lift("partly@x.example", {HoldKind::unsubscribed}, stream("news")));
  apply(*store, hold("news@x.example", HoldKind::unsubscribed, stream("news")));
  apply(*store, hold("offers@x.example", HoldKind::unsubscribed, stream("offers")));
  apply(*store, hold("letters@x.example", HoldKind::unsubscribed, stream("letters")));
  apply(*store, hold("gone@x.example", HoldKind::unsubscribed, stream("gone")));
  apply(*store, hold("bounced@x.example", HoldKind::bounced, all()));
  auto over = hold("@over.example", HoldKind::blocked, all());
  over.until = day(50);
  apply(*store, over);
  apply(*store, hold("@.blocked.example", HoldKind::blocked, all()));
  apply(*store, hold("\"q q\"@x.example", HoldKind::blocked, all()));

  using Kind = StreamConfig::Kind;
  auto news = stream_config("news", Kind::marketing, StreamConfig::ConsentRule::opt_out);
  news.formerly = {"letters"};
  const policy::Streams streams(
      {news, stream_config("offers", Kind::marketing, StreamConfig::ConsentRule::opt_out),
       stream_config("bills", Kind::transactional, StreamConfig::ConsentRule::opt_out)});

  const auto has = [&](const ExportOptions& options, std::vector<std::string_view> wanted) {
    const std::string text = exported(*store, options);
    CAPTURE(text);
    for (const std::string_view address : wanted) CHECK(text.contains(address));
    CHECK(std::ranges::count(text, '\n') ==
          static_cast<std::ptrdiff_t>(wanted.size() + (options.format == ExportFormat::csv)));
  };
  auto options = as(ExportFormat::csv);
  has(options, {"lifted@x.example,subscribed,,", "partly@x.example,unsubscribed,,",
                "news@x.example,unsubscribed,news,", "offers@x.example,unsubscribed,offers,",
                "letters@x.example,unsubscribed,letters,", "gone@x.example,unsubscribed,gone,",
                "bounced@x.example,bounced,,", "@.blocked.example,blocked,,",
                "\"\"\"q q\"\"@x.example\",blocked,,"});
  options.status = RowStatus::unsubscribed;
  has(options, {"partly@", "news@", "offers@", "letters@", "gone@"});
  options.streams = &streams;
  // What stands under a former name binds it; and under a name that is none of the configuration's,
  // every marketing stream.
  for (const std::string_view name : {"news", "letters"}) {
    options.stream = name;
    options.status = RowStatus::unsubscribed;
    has(options, {"partly@", "news@", "letters@", "gone@"});
    options.status = {};
    has(options, {"lifted@", "partly@", "news@", "letters@", "gone@", "bounced@",
                  "@.blocked.example", "q q"});
    options.status = RowStatus::subscribed;
    has(options, {"lifted@"});
  }
  options.status = {};
  options.stream = "bills";
  has(options, {"bounced@", "@.blocked.example", "q q"});
  options.stream = "gone";
  std::ostringstream nothing;
  CHECK(export_rows(*store, nothing, options).error().code == Errc::invalid);
  CHECK(nothing.str().empty());
  options.streams = nullptr;
  options.stream = "news";
  CHECK(export_rows(*store, nothing, options).error().code == Errc::invalid);
  has(as(ExportFormat::postfix),
      {"partly@x.example REJECT 5.7.1 ", "news@x.example REJECT 5.7.1 ", "offers@x.example REJECT ",
       "letters@x.example REJECT ", "gone@x.example REJECT ", "bounced@x.example REJECT 5.1.1 ",
       ".blocked.example REJECT 5.7.1 "});
}

TEST_CASE("an export that cannot be written is an error") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  CHECK(export_rows(*store, out, as(ExportFormat::csv)).error().code == Errc::io);
}

TEST_CASE("export and import into a new store give the same answers for every address") {
  using Kind = StreamConfig::Kind;
  using Consent = StreamConfig::ConsentRule;
  const policy::Streams streams({stream_config("news", Kind::marketing, Consent::opt_out),
                                 stream_config("offers", Kind::marketing, Consent::opt_in),
                                 stream_config("bills", Kind::transactional, Consent::opt_out)});
  const std::vector<policy::Scope> scopes{all(), marketing(), stream("news"), stream("offers"),
                                          stream("unknown")};
  for (const auto format : {ExportFormat::csv, ExportFormat::jsonl}) {
    std::mt19937 random(7);
    const auto pick = [&](std::size_t bound) { return random() % bound; };
    const TemporaryDirectory directory;
    const auto before = open(directory.path() / "before");
    const auto after = open(directory.path() / "after");
    std::vector<std::string> addresses;
    std::vector<Change> changes;
    for (int i = 0; i < 60; ++i) {
      addresses.push_back(i % 10 == 0 ? "@d" + std::to_string(i) + ".example"
                                      : "\"u, " + std::to_string(i) + "\"@d" +
                                            std::to_string(i % 7) + "0.example");
      for (std::size_t n = pick(4); n > 0; --n) {
        const auto kind = static_cast<HoldKind>(1 + pick(4));
        auto placed =
            hold(addresses.back(), kind, kind == HoldKind::unsubscribed ? scopes[pick(5)] : all(),
                 "why, \"so\"\n");
        if (pick(2) != 0) placed.date = day(static_cast<int>(pick(30)));
        if (pick(3) == 0) placed.until = day(90 + static_cast<int>(pick(30)));
        placed.imported = pick(2) != 0;
        changes.emplace_back(placed);
      }
      if (pick(3) == 0) {
        changes.emplace_back(
            GiveConsent{contact(addresses.back()), scopes[pick(3)], {}, {"shop", ""}});
      }
      if (pick(3) == 0) {
        changes.emplace_back(
            lift(addresses.back(), {HoldKind::unsubscribed, HoldKind::bounced}, all()));
      }
    }
    std::erase_if(changes, [](const Change& change) {  // no consent of a domain
      const auto* consent = std::get_if<GiveConsent>(&change);
      return consent != nullptr && consent->address.is_domain();
    });
    REQUIRE(before->change(changes, day(60)));
    const auto summary = import(*after, exported(*before, as(format)));
    CHECK(summary.rejected == 0);

    auto reader_before = before->reader();
    auto reader_after = after->reader();
    REQUIRE(reader_before);
    REQUIRE(reader_after);
    addresses.push_back("nobody@d10.example");
    for (const auto& address : addresses) {
      CAPTURE(address);
      policy::Findings found_before;
      policy::Findings found_after;
      REQUIRE((*reader_before)->find(contact(address), found_before));
      REQUIRE((*reader_after)->find(contact(address), found_after));
      for (const auto& which : streams.all()) {
        CAPTURE(which.name);
        const auto want = policy::decide(found_before, which, streams, day(100));
        const auto got = policy::decide(found_after, which, streams, day(100));
        CHECK(got.reason == want.reason);
        CHECK(got.date == want.date);
        CHECK(got.domain_wide == want.domain_wide);
        if (!want.allowed() && want.event != policy::EventId{}) {
          CHECK(*(*reader_after)->note(got.event) == *(*reader_before)->note(want.event));
        }
      }
    }
    // Its own export tells an imported store nothing new.
    CHECK(import(*after, exported(*after, as(format))).added == 0);
  }
}
