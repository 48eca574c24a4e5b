// The contexts of return addresses as the store keeps them.
#include "fixture.h"
#include "store/backup.h"
#include "store/compaction.h"
#include "store/env.h"
#include "store/tables.h"

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

namespace {

using Entry = policy::ReturnContexts::Entry;
using policy::ReturnContext;

constexpr std::uint32_t first_day = 20'000;  // day(0)

Entry entry(std::uint64_t hash, int until) {
  return {.hash = hash,
          .context = {"newsletter", "sender-" + std::to_string(hash) + "@example.com"},
          .until = first_day + static_cast<std::uint32_t>(until)};
}

void keep(Store& store, const std::vector<Entry>& entries, Time now) {
  const auto done = store.keep_contexts(entries, now);
  if (!done) FAIL(done.error().text);
}

std::optional<ReturnContext> context(const Store& store, std::uint64_t hash) {
  auto found = store.context(hash);
  if (!found) FAIL(found.error().text);
  return *std::move(found);
}

std::size_t rows(const std::filesystem::path& path) {
  auto env = Env::open({path, true, false, test_map_size});
  REQUIRE(env);
  auto txn = Txn::read(**env);
  auto tables = open_tables(*txn, false);
  REQUIRE(tables);
  return tables->contexts ? txn->size(*tables->contexts)->entries : 0;
}

}  // namespace

TEST_CASE("contexts: what is kept is found by its hash, after a restart and in a backup too") {
  const TemporaryDirectory directory;
  const TemporaryDirectory elsewhere;
  {
    const auto store = open(directory.path());
    CHECK_FALSE(context(*store, 1));
    keep(*store, {entry(1, 37), entry(2, 37)}, day(0));
    CHECK(context(*store, 1) == ReturnContext{"newsletter", "sender-1@example.com"});
    REQUIRE(store->backup(elsewhere.path() / "backup"));
    CHECK(store->compact());
  }
  for (const auto& path : {directory.path(), elsewhere.path() / "backup"}) {
    const auto store = open(path, Mode::read_only);
    CHECK(context(*store, 2) == ReturnContext{"newsletter", "sender-2@example.com"});
    CHECK_FALSE(context(*store, 3));
    CHECK(store->keep_contexts({}, day(0)).error().code == Errc::unsupported);
    CHECK(store->verify({})->wrong == 0);
  }
}

TEST_CASE("contexts: a row goes after its last day, one for ever never") {
  const TemporaryDirectory directory;
  const Entry unsubscribe{
      .hash = 3, .context = {"newsletter", ""}, .until = policy::ReturnContexts::for_ever};
  {
    const auto store = open(directory.path());
    keep(*store, {entry(1, 37), entry(2, 40), unsubscribe}, day(0));
    keep(*store, {entry(1, 38)}, day(1));  // used again: wanted for longer
    keep(*store, {entry(4, 75)}, day(38));
    CHECK(context(*store, 1));
    keep(*store, {entry(4, 76)}, day(39));
    CHECK_FALSE(context(*store, 1));
    CHECK(context(*store, 2));
    keep(*store, {entry(4, 90'000)}, day(80'000));
    CHECK_FALSE(context(*store, 2));
    CHECK(context(*store, 3) == ReturnContext{"newsletter", ""});
  }
  CHECK(rows(directory.path()) == 2);
}

TEST_CASE("contexts: the search for expired rows keeps up with what comes") {
  const TemporaryDirectory directory;
  {
    const auto store = open(directory.path());
    for (int number = 0; number < 400; ++number) {
      std::vector<Entry> entries;
      for (std::uint64_t i = 0; i < 50; ++i) {
        entries.push_back(entry(static_cast<std::uint64_t>(number) * 50 + i, number + 10));
      }
      keep(*store, entries, day(number));
    }
  }
  CHECK(rows(directory.path()) < 50 * 100);
}

TEST_CASE("contexts: what is on record is not written again, and is never shortened") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  keep(*store, {entry(1, 37)}, day(0));
  const auto before = store->stats(day(0))->bytes_used;
  keep(*store, {entry(1, 37), entry(1, 5)}, day(0));
  CHECK(store->stats(day(0))->bytes_used == before);
  keep(*store, {entry(2, 50)}, day(36));
  CHECK(context(*store, 1));
}

TEST_CASE("contexts: two of one hash are told apart, and a name that is too long is refused") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  keep(*store, {entry(1, 37)}, day(0));
  auto other = entry(1, 37);
  other.context.sender = "somebody.else@example.com";
  CHECK(store->keep_contexts(std::vector{other}, day(0)).error().code == Errc::conflict);
  CHECK(context(*store, 1)->sender == "sender-1@example.com");
  other = entry(2, 37);
  other.context.sender = std::string(3'000, 'a');
  CHECK(store->keep_contexts(std::vector{other}, day(0)).error().code == Errc::invalid);
  CHECK_FALSE(context(*store, 2));
}

TEST_CASE("contexts: a reader knows a contact by the same reference that it is found by") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  const auto reader = store->reader();
  REQUIRE(reader);
  const auto ref = (*reader)->ref(contact("jane@example.com"));
  REQUIRE(ref);
  CHECK(store->address(*ref)->text.empty());
  apply(*store, hold("jane@example.com"));
  policy::Findings findings;
  REQUIRE((*reader)->find(contact("jane@example.com"), findings));
  REQUIRE(findings.size == 1);
  CHECK(findings.entries[0].ref == *ref);
  CHECK(store->address(*ref)->text == "jane@example.com");
  CHECK(*(*reader)->ref(contact("john@example.com")) != *ref);
}
