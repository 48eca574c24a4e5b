#include "cli/watched_source.h"

#include "../captured_log.h"
#include "program.h"

#include <iterator>
#include <sstream>

#include <fmt/format.h>

using namespace postern;
using namespace postern::cli;
using namespace std::chrono_literals;

namespace {

constexpr Time start{std::chrono::days{20'000}};
constexpr std::string_view mailchimp_header = "Email Address,First Name,UNSUB_TIME,UNSUB_REASON\n";

SourceConfig named(std::string_view name) {
  SourceConfig config;
  config.name = name;
  return config;
}

std::unique_ptr<store::Store> open_store(const std::string& path,
                                         store::Mode mode = store::Mode::create) {
  auto store = store::Store::open(
      {.path = path, .mode = mode, .map_size = 1ULL << 30U, .providers = std::nullopt});
  if (!store) FAIL(store.error().text);
  return *std::move(store);
}

// A source whose folder, store and clock are the test's. Each look is two seconds later.
class Watched {
 public:
  explicit Watched(SourceConfig config = named("shop"), std::vector<StreamConfig> streams = {})
      : streams_(std::move(streams)), store_(open_store(folder_.file("store"))), source_([&] {
          std::filesystem::create_directory(folder_.file("in"));
          config.folder = folder_.file("in");
          return WatchedSource(std::move(config), start);
        }()) {}

  void drop(const std::string& name, const std::string& text) const {
    static_cast<void>(folder_.write("in/" + name, text));
  }
  void look() { look_at(*store_, now_ + 2s); }
  // As often as a file that is complete needs.
  void looks() {
    look();
    look();
  }
  void look_at(store::Store& store, Time now, bool give_up = false) {
    now_ = now;
    source_.look({store, streams_, now, [=] { return give_up; }, [] { return false; }});
  }

  [[nodiscard]] bool is_there(const std::string& name) const {
    return std::filesystem::exists(std::filesystem::symlink_status(file(name)));
  }
  [[nodiscard]] std::string text(const std::string& name) const {
    std::ifstream in(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] std::string file(const std::string& name) const {
    return folder_.file("in/" + name);
  }
  [[nodiscard]] std::vector<policy::Hold> holds(std::string_view address) const {
    const auto contact = store_->contact(*policy::parse_contact(address, true));
    if (!contact) FAIL(contact.error().text);
    return contact->holds;
  }
  [[nodiscard]] std::vector<store::ImportRecord> imports() const {
    auto imports = store_->imports();
    if (!imports) FAIL(imports.error().text);
    return *std::move(imports);
  }
  [[nodiscard]] const Folder& folder() const { return folder_; }
  [[nodiscard]] store::Store& store() { return *store_; }
  [[nodiscard]] Time now() const { return now_; }

 private:
  Folder folder_;
  policy::Streams streams_;
  std::unique_ptr<store::Store> store_;
  WatchedSource source_;
  Time now_ = start;
};

}  // namespace

TEST_CASE("watched source: what landed is imported once, and moved to done") {
  Watched watched;
  watched.drop("list.csv", std::string(mailchimp_header) +
                               "jane@example.com,Jane,2026-03-01 10:00:00,\"too, many\"\n");
  watched.look();
  CHECK(watched.imports().empty());
  const auto log = captured_log([&] { watched.look(); });
  CHECK(watched.text("done/list.csv").starts_with("Email Address"));
  CHECK_FALSE(watched.is_there("list.csv"));
  const auto holds = watched.holds("jane@example.com");
  REQUIRE(holds.size() == 1);
  CHECK(holds[0].kind == policy::HoldKind::unsubscribed);
  CHECK(format_date(holds[0].date) == "2026-03-01");
  REQUIRE(watched.imports().size() == 1);
  const auto record = watched.imports()[0];
  CHECK(record.source == "shop");
  CHECK(record.file == "list.csv");
  CHECK(record.format == "mailchimp-unsubscribed");
  CHECK(has(record.by, "postern serve"));
  CHECK(record.ended == watched.now());
  CHECK(has(log, "info source shop: list.csv: 1 rows: 1 added"));
  CHECK(has(log, "done/list.csv"));
  CHECK_FALSE(has(log, "jane"));

  watched.looks();
  CHECK(watched.imports().size() == 1);
  CHECK(std::filesystem::is_empty(watched.file("rejected")));
}

TEST_CASE("watched source: the same export again is the same holds, beside the first in done") {
  Watched watched;
  const std::string list = "email,date\njane@example.com,2026-03-01\n";
  watched.drop("list.csv", list);
  watched.looks();
  watched.drop("list.csv", list);
  watched.looks();
  CHECK(watched.text("done/list.csv.1") == list);
  REQUIRE(watched.imports().size() == 2);
  CHECK(watched.imports()[1].counts.unchanged == 1);
  CHECK(watched.holds("jane@example.com").size() == 1);
}

TEST_CASE("watched source: a file that still grows is waited for") {
  Watched watched;
  std::string list = "email,date\n";
  watched.drop("list.csv", list);
  for (int i = 0; i < 3; ++i) {
    watched.look();
    list += fmt::format("a{}@example.com,2026-03-01\n", i);
    watched.drop("list.csv", list);
  }
  watched.look();
  CHECK(watched.is_there("list.csv"));
  CHECK(watched.imports().empty());
  watched.look();
  CHECK(watched.text("done/list.csv") == list);
  CHECK(watched.holds("a2@example.com").size() == 1);
}

TEST_CASE("watched source: what is no export is left alone; of a link it is said once") {
  Watched watched;
  const auto secret = watched.folder().write("secret.csv", "email\njane@example.com\n");
  std::filesystem::create_symlink(secret, watched.file("link.csv"));
  watched.drop("list.csv.part", "email\njane@example.com\n");
  watched.drop(".list.csv", "email\njane@example.com\n");
  watched.drop("empty.csv", "");
  const auto log = captured_log([&] {
    watched.looks();
    watched.looks();
  });
  CHECK(count_of(log, "link.csv: is no regular file") == 1);
  CHECK(count_of(log, "\n") == 1);
  CHECK(watched.imports().empty());
  for (const auto* name : {"link.csv", "list.csv.part", ".list.csv", "empty.csv"}) {
    CAPTURE(name);
    CHECK(watched.is_there(name));
  }
}

TEST_CASE("watched source: its keys are the import's options") {
  auto config = named("shop");
  config.status = "complained";
  config.stream = "letters";
  config.map = {{"address", "Wer"}, {"date", "Wann"}};
  config.dates = SourceConfig::Dates::day_first;
  StreamConfig news;
  news.name = "news";
  news.formerly = {"letters"};
  Watched watched(config, {news});
  watched.drop("list.csv", "Wer,Wann\njane@example.com,03/04/2026\n");
  watched.looks();
  auto holds = watched.holds("jane@example.com");
  REQUIRE(holds.size() == 1);
  CHECK(holds[0].kind == policy::HoldKind::complained);
  CHECK(format_date(holds[0].date) == "2026-04-03");

  config.status = "";
  Watched plain(config, {news});
  plain.drop("list.csv", "Wer,Wann\njane@example.com,03/04/2026\n");
  plain.looks();
  holds = plain.holds("jane@example.com");
  REQUIRE(holds.size() == 1);
  CHECK(holds[0].kind == policy::HoldKind::unsubscribed);
  CHECK(holds[0].scope == policy::Scope{policy::Scope::Kind::stream, "news"});
}

TEST_CASE("watched source: a file that cannot be imported goes to rejected with its reason") {
  struct Case {
    std::string status, file, reason;
    std::string_view why;
  };
  for (const auto& [status, file, reason, why] :
       {Case{"", "Colour,Size\nred,3\n", "Colour", "a header that says nothing"},
        Case{"", "email,date\njane@example.com,03/04/2026\n", "dmy", "a date that could be two"},
        Case{"subscribed",
             std::string(mailchimp_header) + "jane@example.com,Jane,2026-03-01 10:00:00,\n",
             "subscribed", "a list of opt-outs as subscribed"}}) {
    CAPTURE(why);
    auto config = named("shop");
    config.status = status;
    Watched watched(config);
    watched.drop("list.csv", file);
    const auto log = captured_log([&] { watched.looks(); });
    CHECK(watched.text("rejected/list.csv") == file);
    CHECK(has(watched.text("rejected/list.csv.reason"), reason));
    CHECK(has(watched.text("rejected/list.csv.reason"), "keys of its [[source]]"));
    CHECK(has(log, " error source shop: list.csv: not imported: "));
    CHECK_FALSE(watched.is_there("list.csv"));
    CHECK(std::filesystem::is_empty(watched.file("done")));
    CHECK(watched.imports().empty());
    CHECK(watched.holds("jane@example.com").empty());
    // Put right and back into the folder.
    if (status.empty()) {
      watched.drop("list.csv", "email\njane@example.com\n");
      watched.looks();
      CHECK(watched.holds("jane@example.com").size() == 1);
    }
  }
}

TEST_CASE("watched source: rows that are none are named beside, the others are imported") {
  Watched watched;
  watched.drop("list.csv", "email,date\nnobody,2026-03-01\njane@example.com,2026-03-01\n");
  const auto log = captured_log([&] { watched.looks(); });
  CHECK(watched.is_there("done/list.csv"));
  CHECK_FALSE(watched.is_there("rejected/list.csv"));
  CHECK(watched.holds("jane@example.com").size() == 1);
  const auto rows = watched.text("rejected/list.csv.rows");
  CHECK(rows.starts_with("line,reason,row\n2,"));
  CHECK(has(rows, "nobody"));
  CHECK(count_of(rows, "\n") == 2);
  CHECK(has(log, " warning source shop: list.csv: 2 rows: 1 added, 0 unchanged, 1 rejected"));
}

TEST_CASE("watched source: an import that is given up leaves its file, and is made again") {
  Watched watched;
  std::string list = "email,date\n";
  for (int i = 0; i < 30'000; ++i) list += fmt::format("a{}@example.com,2026-03-01\n", i);
  watched.drop("list.csv", list);
  const auto log = captured_log([&] {
    watched.look();
    watched.look_at(watched.store(), watched.now() + 2s, true);
  });
  CHECK(log.empty());
  CHECK(watched.is_there("list.csv"));
  CHECK(std::filesystem::is_empty(watched.file("rejected")));
  watched.look();
  CHECK(watched.is_there("done/list.csv"));
  CHECK(watched.holds("a0@example.com").size() == 1);
  CHECK(watched.holds("a29999@example.com").size() == 1);
}

TEST_CASE("watched source: while the store fails the file stays; it is said once and tried less") {
  Watched watched;
  const auto other = watched.folder().file("other");
  open_store(other).reset();
  const auto failing = open_store(other, store::Mode::read_only);
  watched.drop("list.csv", "email,date\njane@example.com,2026-03-01\n");
  const auto log = captured_log([&] {
    watched.look();
    // Tried at 0, 2, 6 and 14 seconds.
    const Time first = watched.now() + 2s;
    for (int second = 0; second < 20; ++second) watched.look_at(*failing, first + 1s * second);
    watched.look_at(watched.store(), first + 29s);
  });
  CHECK(count_of(log, "\n") == 1);
  CHECK(has(log, " error source shop: list.csv: "));
  CHECK(has(log, "it stays, and is tried again"));
  CHECK(watched.is_there("list.csv"));
  watched.look();
  CHECK(watched.is_there("done/list.csv"));
  CHECK(watched.holds("jane@example.com").size() == 1);
}

TEST_CASE("watched source: a folder that is missing is said once, and looked for again") {
  Watched watched;
  std::filesystem::rename(watched.file(""), watched.folder().file("away"));
  const auto log = captured_log([&] {
    watched.looks();
    watched.looks();
    std::filesystem::rename(watched.folder().file("away"), watched.file(""));
    watched.drop("list.csv", "email\njane@example.com\n");
    watched.looks();
  });
  CHECK(count_of(log, " error source shop: ") == 1);
  CHECK(count_of(log, "can be read") == 1);
  CHECK(watched.holds("jane@example.com").size() == 1);
}

TEST_CASE("watched source: where nothing comes it is warned of, daily, until something does") {
  auto config = named("shop");
  config.stale_after = 35 * 24h;
  Watched watched(config);
  const auto log_at = [&](Time now) {
    return captured_log([&] { watched.look_at(watched.store(), now); });
  };
  CHECK(log_at(start + 35 * 24h).empty());
  const auto first = log_at(start + 36 * 24h);
  CHECK(has(first,
            " warning source shop: nothing for 36 days (stale_after 35 days): there was no import "
            "of it yet\n"));
  CHECK(log_at(start + 36 * 24h + 23h).empty());
  CHECK(has(log_at(start + 37 * 24h), "nothing for 37 days"));
  watched.drop("list.csv", "email\njane@example.com\n");
  CHECK(log_at(start + 37 * 24h + 2s).empty());
  const auto over = log_at(start + 37 * 24h + 4s);
  CHECK(count_of(over, "source shop: it brings something again") == 1);
  CHECK_FALSE(has(over, "warning"));
  CHECK(log_at(start + 60 * 24h).empty());
  CHECK(has(log_at(start + 77 * 24h),
            "nothing for 39 days (stale_after 35 days): the last import "
            "was 2024-11-10T00:00:04Z"));
}

TEST_CASE("watched source: an import by hand under its name counts, a rejected file does not") {
  auto config = named("shop");
  config.stale_after = 1h;
  Watched watched(config);
  watched.drop("list.csv", "Colour,Size\nred,3\n");
  watched.looks();
  CHECK(has(captured_log([&] { watched.look_at(watched.store(), start + 2h); }), "warning"));

  std::istringstream in("email\njane@example.com\n");
  store::ImportOptions how;
  how.source = "shop";
  how.now = start + 2h;
  REQUIRE_FALSE(store::import_rows(watched.store(), in, how).error);
  const auto log = captured_log([&] { watched.look_at(watched.store(), start + 2h + 1min); });
  CHECK(has(log, "brings something again"));
}

TEST_CASE("watched source: a configuration with a format that there is none of") {
  const Folder folder;
  const auto config =
      folder.write("c.toml", "[store]\npath = \"" + folder.file("store") +
                                 "\"\n[[source]]\nname = \"shop\"\nfolder = \"" +
                                 folder.file("in") + "\"\nformat = \"mailchimp-unsubscribe\"\n");
  for (const auto* verb : {"check-config", "serve"}) {
    CAPTURE(verb);
    Ran ran;
    const auto log = captured_log([&] { ran = postern_run({verb, "--config", config}); });
    CHECK(ran.status == 2);
    const auto said = ran.out + log;
    CHECK(has(said, config + ":6: source.format: 'mailchimp-unsubscribe' is no format, did you "
                             "mean mailchimp-unsubscribed?"));
  }
}

TEST_CASE("watched source: check-config names a folder that is missing, and that is no mistake") {
  const Folder folder;
  const auto text = "[[source]]\nname = \"shop\"\nfolder = \"" + folder.file("in") + "\"\n";
  const auto config = folder.write("c.toml", text);
  const auto ran = postern_run({"check-config", "--config", config});
  CHECK(ran.status == 0);
  CHECK(has(ran.out, config + ": ok\n"));
  CHECK(has(ran.out, ": warning: source shop: " + folder.file("in") + " is no folder"));
  std::filesystem::create_directory(folder.file("in"));
  CHECK(postern_run({"check-config", "--config", config}).out == config + ": ok\n");
}
