// What an organisation relies on: imports that are known again, and undone; people who are
// forgotten; hash lists; and tables that agree with the events.
#include "base/text.h"
#include "fixture.h"
#include "policy/decision.h"
#include "returns.h"
#include "store/digests.h"
#include "store/exchange.h"
#include "store/forgotten.h"
#include "store/impl.h"
#include "store/traffic.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

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

UndoSummary undo(Store& store, std::string_view name, bool preview = false) {
  auto done = store.undo_import(name, preview, {"cli", "", "root, postern import --undo"}, day(5));
  if (!done) FAIL(done.error().text);
  return *done;
}

void check_sound(const Store& store) {
  auto summary = store.verify([](const std::string& what) { FAIL_CHECK(what); });
  if (!summary) FAIL(summary.error().text);
  CHECK(summary->wrong == 0);
}

policy::Verdict verdict(const Store& store, std::string_view address,
                        const policy::Streams& streams = policy::Streams()) {
  auto reader = store.reader();
  if (!reader) FAIL(reader.error().text);
  policy::Findings findings;
  REQUIRE((*reader)->find(contact(address), findings));
  return policy::decide(findings, streams.fallback(), streams, day(100));
}

ForgetSummary forget(Store& store, std::string_view address, const std::filesystem::path& ledger) {
  auto done = store.forget(contact(address), ledger, {"cli", "", "root, postern forget"}, day(9));
  if (!done) FAIL(done.error().text);
  return *done;
}

}  // namespace

TEST_CASE("an import is a named batch, its events name it") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  ImportOptions options;
  options.source = "shop";
  options.by = "ann, postern import";
  options.file = "list.csv";
  const auto first = import(*store, "email,date\na@x.example,2024-01-01\nb@x.example,\n", options);
  CHECK(first.import == "shop-2024-10-04");
  const auto second = import(*store, "email\nc@x.example\nbroken\n", options);
  CHECK(second.import == "shop-2024-10-04-2");

  const auto imports = store->imports();
  REQUIRE(imports);
  REQUIRE(imports->size() == 2);
  CHECK((*imports)[0].counts.added == 2);
  CHECK((*imports)[0].ended == day(0));
  CHECK((*imports)[1].counts.rejected == 1);
  CHECK((*imports)[1].file == "list.csv");
  const auto history = history_of(*store, "a@x.example");
  REQUIRE(history.size() == 1);
  CHECK(history[0].import == "shop-2024-10-04");
  CHECK(history[0].source == "shop");
  CHECK(history[0].by == "ann, postern import");
  check_sound(*store);
}

TEST_CASE("undo lifts what the import alone put there, and the same file places it anew") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  apply(*store, hold("own@x.example"));
  const std::string file =
      "email\nown@x.example\nimported@x.example\nback@x.example\nshared@x.example\n";
  const auto first = import(*store, file);
  apply(*store, lift("back@x.example", {HoldKind::unsubscribed}, marketing()));
  const auto second = import(*store, "email\nshared@x.example\n");

  const auto preview = undo(*store, first.import, true);
  CHECK(preview.lifted == 2);
  CHECK(preview.shared == 1);
  CHECK(preview.gone == 1);
  CHECK(verdict(*store, "imported@x.example").reason == policy::Reason::unsubscribed);

  const auto done = undo(*store, first.import);
  CHECK(done.lifted == 2);
  CHECK(verdict(*store, "imported@x.example").allowed());
  CHECK(verdict(*store, "own@x.example").reason == policy::Reason::unsubscribed);
  CHECK(verdict(*store, "shared@x.example").reason == policy::Reason::unsubscribed);
  CHECK(undo(*store, first.import).lifted == 0);

  SUBCASE("the other import too: what both said goes") {
    CHECK(undo(*store, second.import).lifted == 1);
    CHECK(verdict(*store, "shared@x.example").allowed());
  }
  SUBCASE("the same file again: an undone import was no return of anybody") {
    const auto again = import(*store, file);
    CHECK(again.counts.added == 2);
    CHECK(again.counts.returned == 1);
    CHECK(again.counts.unchanged == 1);
    CHECK(verdict(*store, "imported@x.example").reason == policy::Reason::unsubscribed);
    CHECK(undo(*store, again.import).lifted == 2);
    CHECK(verdict(*store, "imported@x.example").allowed());
  }
  check_sound(*store);
}

TEST_CASE("undo: a row that stands twice in its file is one hold, in the preview too") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  ImportOptions consents;
  consents.status = rows::Status::subscribed;
  consents.source = "form";
  const auto holds = import(*store, "email,date\na@x.example,2024-01-01\na@x.example,2024-01-01\n");
  const auto given = import(*store, "email\nb@x.example\nb@x.example\n", consents);
  CHECK(holds.counts.unchanged + given.counts.unchanged == 2);
  for (const bool preview : {true, false}) {
    CHECK(undo(*store, holds.import, preview).lifted == 1);
    CHECK(undo(*store, given.import, preview).withdrawn == 1);
  }
  CHECK(verdict(*store, "a@x.example").allowed());
}

TEST_CASE("an import that is stopped goes on with the same file; one that is undone ends") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  std::string file = "email\n";
  for (int i = 0; i < 10'000; ++i) file += "a" + std::to_string(i) + "@x.example\n";
  const auto stopped_at = [&](std::size_t look, const std::function<void()>& meanwhile) {
    ImportOptions options;
    options.now = day(0);
    options.chunk = 100;  // nobody else reads: ten times as many a commit
    std::size_t looks = 0;
    options.stop = [&] {
      if (++looks != look) return false;
      if (meanwhile) meanwhile();
      return !meanwhile;
    };
    std::istringstream in(file);
    return import_rows(*store, in, options);
  };
  const auto while_reading = stopped_at(1, {});
  REQUIRE(while_reading.error);
  CHECK(while_reading.error->code == Errc::cancelled);
  CHECK(store->imports()->empty());
  // Two looks while it is read, and one before each chunk.
  const auto while_writing = stopped_at(6, {});
  REQUIRE(while_writing.error);
  CHECK(while_writing.error->code == Errc::cancelled);
  CHECK(while_writing.counts.added == 3000);
  CHECK(store->stats(day(0))->unsubscribed == 3000);
  CHECK_FALSE(store->imports()->front().ended);

  // It goes on in the same record, and is undone as one.
  const auto undone = stopped_at(8, [&] { CHECK(undo(*store, "1").lifted == 5000); });
  REQUIRE(undone.error);
  CHECK(undone.error->code == Errc::conflict);
  CHECK(undone.error->text.contains("was undone"));
  CHECK(undone.counts.added == 2000);
  REQUIRE(store->imports()->size() == 1);
  CHECK(store->imports()->front().undone == day(5));
  CHECK(store->stats(day(0))->unsubscribed == 0);
  CHECK(import(*store, file).counts.added == 10'000);
  CHECK(store->imports()->size() == 2);
  check_sound(*store);
}

TEST_CASE("a date that is yet to come is counted, and binds from now on") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const auto done = import(*store,
                           "email,date\na@x.example,2024-10-05\nb@x.example,2024-10-06\n"
                           "c@x.example,\n");  // on 2024-10-04
  CHECK(done.future == 1);
  CHECK(done.counts.added == 3);
  CHECK_FALSE(verdict(*store, "b@x.example").allowed());
}

TEST_CASE("undo and import again: what the contact said meanwhile stays said") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const std::string file = "email,date\npart@x.example,2024-01-01\nback@x.example,2024-01-01\n";
  const auto first = import(*store, file);
  apply(*store, lift("part@x.example", {HoldKind::unsubscribed}, stream("news"), true));
  undo(*store, first.import);
  apply(*store, lift("back@x.example", {HoldKind::unsubscribed}, all(), true));
  const auto again = import(*store, file);
  CHECK(again.counts.added == 1);
  CHECK(again.counts.returned == 1);
  CHECK(verdict(*store, "back@x.example").allowed());
  CHECK_FALSE(verdict(*store, "part@x.example").allowed());
  StreamConfig news;
  news.name = "news";
  const policy::Streams streams({news});
  auto reader = store->reader();
  policy::Findings findings;
  REQUIRE((*reader)->find(contact("part@x.example"), findings));
  CHECK(policy::decide(findings, *streams.find("news"), streams, day(100)).allowed());
  check_sound(*store);
}

TEST_CASE("undo: what another import said of the end, or of a consent, stays") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const std::string head = "address,status,date,until\n";
  const auto first = import(*store, head + "a@x.example,blocked,2024-01-01,2030-01-01\n");
  import(*store, head + "a@x.example,blocked,2024-01-01,2031-01-01\n");
  const auto done = undo(*store, first.import);
  CHECK(done.lifted == 0);
  CHECK(done.shared == 1);
  CHECK(done.shared_with.size() == 1);
  CHECK_FALSE(verdict(*store, "a@x.example").allowed());

  ImportOptions options;
  options.status = rows::Status::subscribed;
  options.source = "form";
  const auto form = import(*store, "email\nb@x.example\n", options);
  const auto again = import(*store, "email\nb@x.example\n", options);
  CHECK(undo(*store, form.import).withdrawn == 0);
  CHECK(undo(*store, again.import).withdrawn == 1);
  check_sound(*store);
}

TEST_CASE("the contact's own word is its own hold, though an import said the same") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const auto first = import(*store, "email\na@x.example\n");
  CHECK(apply(*store, hold("a@x.example")).kind == Outcome::Kind::changed);
  CHECK(apply(*store, hold("a@x.example")).kind == Outcome::Kind::unchanged);
  undo(*store, first.import);
  CHECK(verdict(*store, "a@x.example").reason == policy::Reason::unsubscribed);
}

TEST_CASE("an undone consent lets nobody through") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  StreamConfig config;
  config.name = "default";
  config.consent = StreamConfig::ConsentRule::opt_in;
  const policy::Streams streams({config});
  ImportOptions options;
  options.status = rows::Status::subscribed;
  options.source = "form";
  const auto first = import(*store, "email\na@x.example\n", options);
  CHECK(verdict(*store, "a@x.example", streams).allowed());
  CHECK(undo(*store, "1").withdrawn == 1);
  CHECK(verdict(*store, "a@x.example", streams).reason == policy::Reason::no_consent);
  CHECK(import(*store, "email\na@x.example\n", options).counts.added == 1);
  CHECK(verdict(*store, "a@x.example", streams).allowed());
  CHECK(store->undo_import("none", true, {}, day(0)).error().code == Errc::not_found);
}

TEST_CASE("a consent is kept back by whatever form the gate would find") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  apply(*store, hold("j.ane@gmail.com"));
  apply(*store, hold("@blocked.example", HoldKind::blocked, all()));
  ImportOptions options;
  options.status = rows::Status::subscribed;
  options.source = "form";
  const auto summary = import(
      *store, "email\njane+shop@googlemail.com\nx@blocked.example\nfree@x.example\n", options);
  CHECK(summary.counts.kept == 2);
  CHECK(summary.kept_unsubscribed == 1);
  CHECK(summary.kept_blocked == 1);
  CHECK(summary.counts.added == 1);
}

TEST_CASE("a stream that was renamed: next month's export silences nobody anew") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  StreamConfig letters;
  letters.name = "letters";
  StreamConfig news;
  news.name = "news";
  news.formerly = {"letters"};
  const policy::Streams before({letters});
  const policy::Streams after({news});
  ImportOptions options;
  options.stream = "letters";
  options.streams = &before;
  import(*store, "email,date\na@x.example,2024-01-01\nb@x.example,2024-01-01\n", options);
  apply(*store, lift("a@x.example", {HoldKind::unsubscribed}, stream("letters")));
  options.stream = "news";
  options.streams = &after;
  const auto again =
      import(*store, "email,date\na@x.example,2024-01-01\nb@x.example,2024-01-01\n", options);
  CHECK(again.counts.returned == 1);
  CHECK(again.counts.unchanged == 1);
}

TEST_CASE("a store's own export brings back nobody's hold, and partial lifts come along") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path() / "one");
  apply(*store, hold("back@x.example"));
  apply(*store, hold("part@x.example"));
  apply(*store, lift("part@x.example", {HoldKind::unsubscribed}, stream("news")));
  apply(*store, hold("named@x.example", HoldKind::unsubscribed, all()));
  apply(*store, lift("named@x.example", {HoldKind::unsubscribed}, stream("marketing")));
  for (const auto format : {ExportFormat::csv, ExportFormat::jsonl}) {
    std::ostringstream out;
    ExportOptions how;
    how.format = format;
    how.now = day(1);
    REQUIRE(export_rows(*store, out, how));
    const auto other = open(directory.path() / (format == ExportFormat::csv ? "csv" : "jsonl"));
    CHECK(import(*other, out.str()).counts.added == 3);
    CHECK_FALSE(verdict(*other, "named@x.example").allowed());
    StreamConfig news;
    news.name = "news";
    const policy::Streams streams({news});
    auto reader = other->reader();
    policy::Findings findings;
    REQUIRE((*reader)->find(contact("part@x.example"), findings));
    CHECK(policy::decide(findings, *streams.find("news"), streams, day(1)).allowed());
    CHECK_FALSE(policy::decide(findings, streams.fallback(), streams, day(1)).allowed());
    check_sound(*other);
  }
  std::ostringstream out;
  ExportOptions how;
  how.now = day(1);
  REQUIRE(export_rows(*store, out, how));
  apply(*store, lift("back@x.example", {HoldKind::unsubscribed}, marketing()));
  const auto again = import(*store, out.str());
  CHECK(again.counts.returned == 1);
  CHECK(again.counts.unchanged == 2);
  CHECK(verdict(*store, "back@x.example").allowed());
}

TEST_CASE("hash lists answer for every spelling of the mailbox") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const std::string md5 = hex_digest(Digest::md5, "jane@x.example");
  const std::string sha1 = hex_digest(Digest::sha1, "joe@x.example");
  const std::string sha256 = hex_digest(Digest::sha256, "janedoe@gmail.com");
  CHECK(md5 == "4b951db5a37c1ecbfb563b774d031119");
  const auto summary = import(*store, to_lower(md5) + "\n" + sha1 + "\n" + sha256 + "\n");
  CHECK(summary.counts.added == 3);
  for (const std::string_view address :
       {"jane@x.example", "JANE@X.example", "jane+shop@x.example", "joe@x.example",
        "janedoe@gmail.com", "Jane.Doe+news@googlemail.com"}) {
    CAPTURE(address);
    CHECK(verdict(*store, address).reason == policy::Reason::unsubscribed);
  }
  CHECK(verdict(*store, "other@x.example").allowed());
  CHECK(store->stats(day(0))->hashed == 3);
  std::ostringstream out;
  ExportOptions how;
  how.now = day(1);
  REQUIRE(export_rows(*store, out, how));
  const auto other = open(directory.path() / "other");
  CHECK(import(*other, out.str()).counts.added == 3);
  CHECK(verdict(*other, "joe@x.example").reason == policy::Reason::unsubscribed);
  check_sound(*store);
}

TEST_CASE("who is forgotten is still refused, and a restored backup forgets again") {
  const TemporaryDirectory directory;
  const auto ledger = directory.path() / "forgotten";
  const std::string file = "email,date,reason\nj.ane@gmail.com,2024-01-01,she is moving to Rome\n";
  {
    const auto store = open(directory.path() / "store");
    import(*store, file);
    import(*store, hex_digest(Digest::md5, "jane@gmail.com") + "\n");
    apply(*store, hold("jane@gmail.com", HoldKind::blocked, all(), "Jane Doe wrote"));
    apply(*store, hold("other@x.example", HoldKind::unsubscribed, marketing(), "kept"));
    std::filesystem::copy(directory.path() / "store" / "data.mdb", directory.path() / "old");

    const auto done = forget(*store, "JANE@googlemail.com", ledger);
    CHECK(done.contacts == 3);
    CHECK(done.texts == 5);
    CHECK(verdict(*store, "jane@gmail.com").reason == policy::Reason::blocked);
    CHECK(verdict(*store, "j.a.n.e@gmail.com").reason == policy::Reason::blocked);
    for (const auto& entry : history_of(*store, "jane@gmail.com")) CHECK(entry.note.empty());
    CHECK(history_of(*store, "other@x.example")[0].note == "kept");
    CHECK(import(*store, file).counts.unchanged == 1);
    CHECK(store->stats(day(0))->compaction_owed);
    const auto page = store->contacts("", 100);
    REQUIRE(page);
    CHECK(std::ranges::count_if(page->records, [](const ContactRecord& record) {
            return record.address.text.empty();
          }) == 3);
    check_sound(*store);
    CHECK(read_forgotten(ledger)->size() == 3);
  }
  std::filesystem::create_directory(directory.path() / "restored");
  std::filesystem::rename(directory.path() / "old", directory.path() / "restored" / "data.mdb");
  const auto restored = open(directory.path() / "restored", Mode::read_write);
  CHECK(history_of(*restored, "jane@gmail.com")[0].note == "Jane Doe wrote");
  CHECK(*restored->forget_again(ledger, day(10)) == 3);
  CHECK(history_of(*restored, "jane@gmail.com")[0].note.empty());
  CHECK(history_of(*restored, "other@x.example")[0].note == "kept");
  CHECK(*restored->forget_again(ledger, day(10)) == 0);
  CHECK(verdict(*restored, "jane@gmail.com").reason == policy::Reason::blocked);
}

TEST_CASE("who is known by mail alone is forgotten too, in a restored backup as well") {
  const TemporaryDirectory directory;
  const auto ledger = directory.path() / "forgotten";
  policy::Passages passages;
  passages.stream = "news";
  passages.sender = "shop@x.example";
  const auto rows = [](const Store& store) {
    int named = 0;
    TrafficFilter filter;
    filter.each = [&](const TrafficRow& row) { named += row.forgotten ? 0 : 1; };
    REQUIRE(store.report(filter));
    return named;
  };
  const auto passages_named = [](const Store& store) {
    std::uint64_t named = 0;
    TrafficFilter filter;
    filter.each = [&](const TrafficRow& row) { named += row.forgotten ? 0 : row.count; };
    REQUIRE(store.report(filter));
    return named;
  };
  const auto send = [&](Store& store, int on) {
    passages.time = day(on);
    passages.recipients = {{ref_of(store, "jane@x.example"), policy::Reason::no_consent},
                           {ref_of(store, "joe@x.example"), policy::Reason::no_consent}};
    REQUIRE(store.record({&passages, 1}));
  };
  {
    const auto store = open(directory.path() / "store");
    send(*store, 1);
    send(*store, 9);
    std::filesystem::copy(directory.path() / "store" / "data.mdb", directory.path() / "old");
    const auto done = forget(*store, "jane@x.example", ledger);
    CHECK(done.contacts == 0);
    CHECK(done.rows == 2);
    CHECK(rows(*store) == 2);
    CHECK(read_forgotten(ledger)->size() == 1);
    CHECK(forget(*store, "nobody@x.example", ledger).rows == 0);
    CHECK(read_forgotten(ledger)->size() == 1);
  }
  std::filesystem::create_directory(directory.path() / "restored");
  std::filesystem::rename(directory.path() / "old", directory.path() / "restored" / "data.mdb");
  const auto restored = open(directory.path() / "restored", Mode::read_write);
  // Mail after the day on which it was forgotten is new.
  send(*restored, 20);
  CHECK(*restored->forget_again(ledger, day(21)) == 1);
  CHECK(rows(*restored) == 4);
  CHECK(*restored->forget_again(ledger, day(21)) == 0);
  // From now on jane is nobody, be there a row of her day already or not; and joe is himself.
  const auto named = passages_named(*restored);
  send(*restored, 20);
  CHECK(rows(*restored) == 4);
  CHECK(passages_named(*restored) == named + 1);
  send(*restored, 21);
  CHECK(rows(*restored) == 5);
  while (!restored->keep_filter()) std::this_thread::sleep_for(std::chrono::milliseconds{1});
  send(*restored, 22);
  send(*restored, 22);
  CHECK(rows(*restored) == 6);
  CHECK(passages_named(*restored) == named + 4);
}

TEST_CASE("the file of the forgotten: appended to, cut by a crash, damaged, not to be written") {
  const TemporaryDirectory directory;
  const auto ledger = directory.path() / "forgotten";
  const Forgotten one{day(1), {1, 2, 3}};
  const Forgotten two{day(2), {0xff}};
  CHECK(read_forgotten(ledger)->empty());
  REQUIRE(append_forgotten(ledger, directory.path(), {&one, 1}));
  std::ofstream(ledger, std::ios::app) << "2024-10-05T0";
  CHECK(read_forgotten(ledger)->size() == 1);
  REQUIRE(append_forgotten(ledger, directory.path(), {&two, 1}));
  const auto both = read_forgotten(ledger);
  REQUIRE(both);
  CHECK(*both == std::vector{one, two});
  std::ofstream(ledger, std::ios::app) << "2024-10-05T00:00:00Z zz020300000000000000000000000000\n";
  CHECK(read_forgotten(ledger).error().code == Errc::damaged);
  const auto nowhere = directory.path() / "none" / "forgotten";
  CHECK(append_forgotten(nowhere, directory.path(), {&one, 1}).error().code == Errc::io);

  const auto store = open(directory.path() / "store");
  apply(*store, hold("a@x.example", HoldKind::unsubscribed, marketing(), "text"));
  CHECK_FALSE(store->forget(contact("a@x.example"), nowhere, {}, day(1)));
  CHECK(history_of(*store, "a@x.example")[0].note == "text");
}

TEST_CASE("verify names what does not agree") {
  struct Case {
    std::string_view want;
    std::function<Result<void>(Txn&, const Tables&, const ContactKey&, const EventKey&)> damage;
  };
  const std::uint8_t odd[] = {1, 2, 3};
  const Case cases[] = {
      {"its record does not read",
       [&](Txn& txn, const Tables& tables, const ContactKey& key, const EventKey&) {
         return txn.put(tables.contacts, key, odd);
       }},
      {"has events and no record",
       [&](Txn& txn, const Tables& tables, const ContactKey& key, const EventKey&) {
         return txn.remove(tables.contacts, key);
       }},
      {"is missing or does not read",
       [&](Txn& txn, const Tables& tables, const ContactKey&, const EventKey& event) {
         return txn.remove(tables.events, event);
       }},
      {"its contact does not list it",
       [&](Txn& txn, const Tables& tables, const ContactKey& key, const EventKey& event) {
         return txn.remove(tables.by_contact, key, event);
       }},
      {"not found by its other spellings",
       [&](Txn& txn, const Tables& tables, const ContactKey& key, const EventKey&) {
         const KeyHasher hasher(*hash_key(txn, tables));
         return txn.remove(tables.folded, hasher("jane@gmail.com"), key);
       }},
      {"which is not spelled so",
       [&](Txn& txn, const Tables& tables, const ContactKey& key, const EventKey&) {
         const KeyHasher hasher(*hash_key(txn, tables));
         return txn.put(tables.folded, hasher("joe@gmail.com"), key);
       }},
      {"its address is another's",
       [&](Txn& txn, const Tables& tables, const ContactKey& key, const EventKey&) {
         return txn.put(tables.addresses, key, octets_of("other@x.example"));
       }},
      {"of no event",
       [&](Txn& txn, const Tables& tables, const ContactKey& key, const EventKey&) {
         return txn.put(tables.texts, key, octets_of("said"));
       }},
      {"of no contact",
       [&](Txn& txn, const Tables& tables, const ContactKey&, const EventKey& event) {
         return txn.put(tables.addresses, event, octets_of("x@x.example"));
       }},
  };
  for (const auto& [want, damage] : cases) {
    CAPTURE(want);
    const TemporaryDirectory directory;
    {
      const auto store = open(directory.path());
      apply(*store, hold("jane@gmail.com"));
      check_sound(*store);
    }
    {
      auto env = Env::open({directory.path(), false, false, test_map_size});
      REQUIRE(env);
      auto txn = Txn::write(**env);
      REQUIRE(txn);
      const auto tables = open_tables(*txn, false);
      REQUIRE(tables);
      const KeyHasher hasher(*hash_key(*txn, *tables));
      const auto ours = numbering(*txn, *tables);
      REQUIRE(
          damage(*txn, *tables, hasher("jane@gmail.com"), event_key({ours->origin, ours->last})));
      REQUIRE(txn->commit());
    }
    const auto store = open(directory.path(), Mode::read_only);
    std::string said;
    const auto summary = store->verify([&](const std::string& what) { said += what + '\n'; });
    REQUIRE(summary);
    CHECK(summary->wrong > 0);
    CHECK(said.contains(want));
  }
}
