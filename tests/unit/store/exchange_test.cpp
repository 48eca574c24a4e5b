// Import and export, and that one reads what the other wrote.
#include "store/exchange.h"

#include "base/text.h"
#include "fixture.h"
#include "policy/decision.h"
#include "returns.h"

#include <algorithm>
#include <random>
#include <sstream>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;
using policy::HoldKind;

namespace {

struct Imported : ImportSummary {
  std::vector<RejectedRow> rejections;
  std::vector<KeptRow> kept_rows;
};

Imported try_import(Store& store, const std::string& text, ImportOptions options = {}) {
  Imported imported;
  if (options.now == Time{}) options.now = day(0);
  options.rejected = [&](const RejectedRow& row) { imported.rejections.push_back(row); };
  options.kept = [&](const KeptRow& row) { imported.kept_rows.push_back(row); };
  std::istringstream in(text);
  static_cast<ImportSummary&>(imported) = import_rows(store, in, options);
  std::ranges::sort(imported.rejections, {}, &RejectedRow::line);
  return imported;
}

Imported import(Store& store, const std::string& text, ImportOptions options = {}) {
  auto imported = try_import(store, text, std::move(options));
  if (imported.error) FAIL(imported.error->text);
  return imported;
}

ImportOptions import_options(std::optional<rows::Status> status, std::string stream = "",
                             std::string source = "", Time now = day(0)) {
  ImportOptions options;
  options.status = status;
  options.stream = std::move(stream);
  options.source = std::move(source);
  options.now = now;
  return options;
}

std::string exported(const Store& store, const ExportOptions& options) {
  std::ostringstream out;
  auto count = export_rows(store, out, options);
  if (!count) FAIL(count.error().text);
  std::string text = out.str();
  const auto lines = static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
  CHECK(count->rows + (options.format == ExportFormat::csv ? 1 : 0) <= lines);
  return text;
}

ExportOptions as(ExportFormat format) {
  ExportOptions options;
  options.format = format;
  options.now = day(100);
  return options;
}

// Contacts come in the order of their hashes, which are each store's own.
std::vector<std::string> sorted_lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::ranges::sort(lines);
  return lines;
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
    std::optional<rows::Status> option;
    std::vector<std::string_view> want;  // the holds' kinds; none: a consent
  };
  const Case cases[] = {
      {"", {}, {"unsubscribed"}},
      {"", rows::Status::blocked, {"blocked"}},
      {"bounced", {}, {"bounced"}},
      {"bounced", rows::Status::bounced, {"bounced"}},
      {"complained", {}, {"complained"}},
      {"subscribed", {}, {}},
      {"subscribed", rows::Status::unsubscribed, {"unsubscribed"}},
      {"unsubscribed", rows::Status::subscribed, {"unsubscribed"}},
      {"blocked", rows::Status::bounced, {"blocked", "bounced"}},
      {"bounced", rows::Status::blocked, {"blocked", "bounced"}},
      {"bounced", rows::Status::complained, {"bounced", "complained"}},
      {"unsubscribed", rows::Status::bounced, {"bounced", "unsubscribed"}},
      {"", rows::Status::subscribed, {}},
  };
  for (const auto& [row_status, option, want] : cases) {
    CAPTURE(row_status);
    CAPTURE(want.size());
    const TemporaryDirectory directory;
    const auto store = open(directory.path());
    const auto summary =
        import(*store, "email,status\na@x.example," + std::string(row_status) + "\n",
               import_options(option, "", "list"));
    CHECK(summary.counts.added == 1);
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
  auto options = import_options(rows::Status::bounced);
  CHECK(import(*store, file, options).counts.added == 1);
  for (const auto& one : contact_of(*store, "a@x.example").holds) {
    CHECK(one.until.has_value() == (one.kind == HoldKind::blocked));
  }
  CHECK(import(*store, file, options).counts.unchanged == 1);
  options.status = rows::Status::complained;
  const auto half_new = import(*store, file, options);
  CHECK(half_new.counts.added == 1);
  CHECK(half_new.counts.unchanged == 0);
  CHECK(contact_of(*store, "a@x.example").holds.size() == 3);
}

TEST_CASE("scopes: the row's stream, else the option's, else every marketing stream") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  import(*store,
         "email,stream,status\na@x.example,,\nb@x.example,offers,\nc@x.example,all,\nd@x.example,"
         "offers,bounced\n",
         import_options({}, "news"));
  CHECK(contact_of(*store, "a@x.example").holds[0].scope == stream("news"));
  CHECK(contact_of(*store, "b@x.example").holds[0].scope == stream("offers"));
  CHECK(contact_of(*store, "c@x.example").holds[0].scope == all());
  CHECK(contact_of(*store, "d@x.example").holds[0].scope == all());
}

TEST_CASE("rows that may not be: said with line and reason, the others stored") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const auto summary = import(*store,
                              "address,status,source\n"
                              "a@x.example,subscribed,\n"
                              "b@x.example,subscribed,shop\n"
                              "@x.example,bounced,\n"
                              "@y.example,blocked,\n"
                              "nonsense,,\n"
                              "c@x.example,,\n"
                              "<postmaster>,,\n"
                              "d@x.example,,\n");
  CHECK(summary.counts.rows == 8);
  CHECK(summary.counts.added == 4);
  CHECK(summary.counts.rejected == 4);
  REQUIRE(summary.rejections.size() == 4);
  CHECK(summary.rejections[0].line == 2);
  CHECK(summary.rejections[0].text == "a@x.example,subscribed,");
  CHECK(summary.rejections[0].reason.contains("source"));
  CHECK(summary.rejections[1].line == 4);
  CHECK(summary.rejections[2].line == 6);
  CHECK(summary.rejections[3].line == 8);
  CHECK(summary.rejections[3].text == "<postmaster>,,");
  CHECK(summary.rejections[3].reason.contains("no address"));
  CHECK(contact_of(*store, "d@x.example").holds.size() == 1);

  std::string many = "email\n";
  for (int i = 0; i < 1500; ++i) many += "nonsense\n";
  const auto all_bad = import(*store, many);
  CHECK(all_bad.counts.rejected == 1500);
}

TEST_CASE("the same file twice changes nothing, whatever the size of its chunks") {
  std::string file = "address,status,stream,date,until,source,reason\n";
  for (int i = 0; i < 50; ++i) {
    const std::string who = std::to_string(i) + "@x.example,";
    file += who + "unsubscribed,,2026-01-01,,list,\n" + who + "bounced,,,,list,550 no\n" + who +
            "blocked,,,2030-01-01,list,\n" + "s" + who + "subscribed,news,2026-01-02,,shop,ok\n";
  }
  for (const std::size_t chunk : {1U, 7U, 200U, 10'000U}) {
    const TemporaryDirectory directory;
    const auto store = open(directory.path());
    auto options = import_options({});
    options.chunk = chunk;
    CHECK(import(*store, file, options).counts.added == 200);
    const auto again = import(*store, file, options);
    CHECK(again.counts.unchanged == 200);
    CHECK(again.counts.added == 0);
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
  CHECK(again.counts.returned == 2);
  CHECK(again.counts.added == 0);

  for (const auto& [kind, address] :
       {std::pair{HoldKind::unsubscribed, "u@x.example"},
        std::pair{HoldKind::bounced, "v@x.example"}, std::pair{HoldKind::complained, "w@x.example"},
        std::pair{HoldKind::blocked, "y@x.example"}}) {
    apply(*store, hold(address, kind, kind == HoldKind::unsubscribed ? marketing() : all()));
  }
  const auto kept =
      import(*store, "u@x.example\nv@x.example\nw@x.example\ny@x.example\nz@x.example\n",
             import_options(rows::Status::subscribed, "", "shop", day(2)));
  CHECK(kept.counts.kept == 4);
  CHECK(kept.kept_unsubscribed == 1);
  CHECK(kept.kept_bounced == 1);
  CHECK(kept.kept_complained == 1);
  CHECK(kept.kept_blocked == 1);
  CHECK(kept.counts.added == 1);
}

TEST_CASE(
    "a store that is full fails the import; what was committed stays, and the file can be "
    "repeated") {
  const TemporaryDirectory directory;
  std::string file = "email\nnonsense\n";
  for (int i = 0; i < 3000; ++i) file += std::to_string(i) + "@x.example\n";
  auto options = import_options({});
  options.chunk = 50;
  std::uint64_t stored = 0;
  {
    const auto store = open(directory.path(), Mode::create, 512UL * 1024);
    const auto summary = try_import(*store, file, options);
    REQUIRE(summary.error);
    CHECK(summary.error->code == Errc::full);
    stored = store->stats(day(0))->contacts;
    CHECK(stored > 0);
    CHECK(stored % 50 == 0);
    // What was done until then is told.
    CHECK(summary.counts.added == stored);
    CHECK(summary.counts.rejected == 1);
    CHECK(summary.counts.rows == 3001);
    REQUIRE(summary.rejections.size() == 1);
    CHECK(summary.rejections[0].text == "nonsense");
  }
  const auto store = open(directory.path(), Mode::read_write);
  const auto summary = import(*store, file, options);
  CHECK(summary.counts.unchanged == stored);
  CHECK(summary.counts.added == 3000 - stored);
}

TEST_CASE("export as import reads it: columns, quotes, scopes") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  apply(*store, hold("a@x.example", HoldKind::unsubscribed, stream("news"), "said \"no\",\nreally"),
        day(1));
  const std::string id = to_hex(contact_of(*store, "a@x.example").holds[0].id.octets);
  CHECK(exported(*store, as(ExportFormat::csv)) ==
        "address,status,stream,date,until,source,reason,hold,except,evidence,code,diagnostic,"
        "campaign,remote_mta,reporting_mta,message_id\n"
        "a@x.example,unsubscribed,news,2024-10-05T00:00:00Z,,cli,\"said \"\"no\"\",\nreally\"," +
            id + ",,,,,,,,\n");
  CHECK(exported(*store, as(ExportFormat::jsonl)) ==
        "{\"address\":\"a@x.example\",\"status\":\"unsubscribed\",\"stream\":\"news\","
        "\"date\":\"2024-10-05T00:00:00Z\",\"source\":\"cli\",\"reason\":\"said "
        "\\\"no\\\",\\nreally\",\"hold\":\"" +
            id + "\"}\n");
  CHECK(exported(*store, as(ExportFormat::postfix)) ==
        "a@x.example REJECT 5.7.1 recipient unsubscribed on 2024-10-05\n");
}

TEST_CASE("export and import: what return mail said comes along") {
  for (const auto format : {ExportFormat::csv, ExportFormat::jsonl}) {
    const TemporaryDirectory directory;
    const auto store = open(directory.path() / "one");
    auto mail = returned(*store, "a@x.example", policy::BounceReason::not_accepting);
    mail.diagnostic = "550 5.1.1 \"gone\",\nfor good; 556";
    apply(*store, mail, day(1));
    mail = returned(*store, "b@x.example", policy::BounceReason::undefined);
    mail.evidence = {policy::ReturnType::complaint, policy::BounceReason::undefined, ""};
    mail.diagnostic.clear();
    apply(*store, mail, day(1));
    apply(*store, hold("c@x.example", HoldKind::bounced, all(), "user-unknown"), day(1));
    const std::string file = exported(*store, as(format));
    auto only = as(format);
    only.reason = "not-acc";
    CHECK(exported(*store, only).contains("a@x.example"));
    CHECK_FALSE(exported(*store, only).contains("b@x.example"));
    // A complaint has no reason.
    CHECK_FALSE(file.contains("undefined"));

    const auto other = open(directory.path() / "other");
    CHECK(import(*other, file).counts.added == 3);
    CHECK(sorted_lines(exported(*other, as(format))) == sorted_lines(file));
    const auto history = history_of(*other, "a@x.example");
    REQUIRE(history.size() == 1);
    CHECK(std::get<policy::HoldPlaced>(history[0].event.facts).evidence ==
          policy::ReturnEvidence{policy::ReturnType::bounce, policy::BounceReason::not_accepting,
                                 "5.1.1"});
    CHECK(history[0].note == "550 5.1.1 \"gone\",\nfor good; 556");
    CHECK(
        std::get<policy::HoldPlaced>(history_of(*other, "b@x.example")[0].event.facts).evidence ==
        policy::ReturnEvidence{policy::ReturnType::complaint, policy::BounceReason::undefined, ""});
    CHECK(history[0].mail == MailDetails{"spring", "mx.x.example", "mail.example.org", "<1@x>"});
    CHECK_FALSE(
        std::get<policy::HoldPlaced>(history_of(*other, "c@x.example")[0].event.facts).evidence);
    // It is the same hold when it comes home.
    CHECK(import(*store, file).counts.unchanged == 3);
    CHECK(other->verify({})->wrong == 0);
  }
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
  options.status = rows::Status::unsubscribed;
  has(options, {"partly@", "news@", "offers@", "letters@", "gone@"});
  options.streams = &streams;
  // What stands under a former name binds it; and under a name that is none of the configuration's,
  // every marketing stream.
  for (const std::string_view name : {"news", "letters"}) {
    options.stream = name;
    options.status = rows::Status::unsubscribed;
    has(options, {"news@", "letters@", "gone@"});
    options.status = {};
    has(options, {"lifted@", "news@", "letters@", "gone@", "bounced@", "@.blocked.example", "q q"});
    options.status = rows::Status::subscribed;
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
        if (pick(2) != 0) placed = imported(placed);
        changes.emplace_back(placed);
      }
      if (pick(3) == 0) {
        changes.emplace_back(
            GiveConsent{contact(addresses.back()), scopes[pick(3)], {}, {"shop", "", ""}});
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
    CHECK(summary.counts.rejected == 0);

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
    CHECK(import(*after, exported(*after, as(format))).counts.added == 0);
  }
}
