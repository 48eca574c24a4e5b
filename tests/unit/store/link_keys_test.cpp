// The keys of links: made with the store, or when an older one is first written to; and kept.
#include "store/link_keys.h"

#include "fixture.h"
#include "store/backup.h"
#include "store/compaction.h"
#include "store/env.h"
#include "store/location.h"
#include "store/tables.h"

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

namespace {

policy::LinkKeys keys_of(const Store& store) {
  auto keys = store.link_keys();
  if (!keys) FAIL(keys.error().text);
  return *std::move(keys);
}

std::string link(const policy::LinkKeys& keys) {
  return keys
      .seal({.address = {"ann@example.com"}, .stream = "news", .campaign = {}, .day = 20'000})
      .value();
}

// As an earlier program left it: without keys.
void age(const std::filesystem::path& path) {
  auto env = Env::open({path, false, false, test_map_size});
  REQUIRE(env);
  auto txn = Txn::write(**env);
  REQUIRE(txn);
  auto tables = open_tables(*txn, false);
  REQUIRE(tables);
  REQUIRE(txn->remove(tables->meta, octets_of("link-keys")));
  REQUIRE(txn->commit());
}

}  // namespace

TEST_CASE("link keys: a new store has one, and rotating adds one that seals") {
  const TemporaryDirectory directory;
  std::string first;
  {
    const auto store = open(directory.path());
    first = link(keys_of(*store));
    REQUIRE(store->list_link_keys()->size() == 1);
    REQUIRE(store->rotate_link_key(day(7)));
  }
  const auto store = open(directory.path(), Mode::read_only);
  const auto list = store->list_link_keys().value();
  REQUIRE(list.size() == 2);
  CHECK(list[0].id == 1);
  CHECK(list[1].id == 2);
  CHECK(list[1].made == day(7));
  const auto keys = keys_of(*store);
  CHECK(keys.open(first)->address.text == "ann@example.com");
  const auto second = link(keys);
  CHECK(second != first);
  CHECK(keys.open(second));
  CHECK(store->rotate_link_key(day(8)).error().code == Errc::unsupported);
}

TEST_CASE("link keys: two stores have different ones") {
  const TemporaryDirectory one;
  const TemporaryDirectory other;
  const auto token = link(keys_of(*open(one.path())));
  CHECK_FALSE(keys_of(*open(other.path())).open(token));
}

TEST_CASE("link keys: the store of an earlier program gets one when it is first written to") {
  const TemporaryDirectory directory;
  {
    const auto store = open(directory.path());
  }
  age(directory.path());
  {
    const auto store = open(directory.path(), Mode::read_only);
    CHECK(store->link_keys().error().code == Errc::not_found);
    CHECK(store->list_link_keys()->empty());
  }
  std::string token;
  {
    const auto store = open(directory.path(), Mode::read_write);
    token = link(keys_of(*store));
  }
  CHECK(keys_of(*open(directory.path(), Mode::read_write)).open(token));
}

TEST_CASE("link keys: a backup and a compaction have them") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto restored = directory.path() / "restored";
  std::string token;
  {
    const auto store = open(path);
    REQUIRE(store->rotate_link_key(day(1)));
    token = link(keys_of(*store));
    REQUIRE(store->backup(directory.path() / "backup"));
    REQUIRE(store->compact());
  }
  CHECK(link(keys_of(*open(path, Mode::read_only))) == token);
  REQUIRE(restore(directory.path() / "backup", options_at(restored, Mode::create), {}));
  CHECK(link(keys_of(*open(restored, Mode::read_only))) == token);
}

TEST_CASE("link keys: there is an end to them") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  {
    auto opened = store->list_link_keys();
    REQUIRE(opened);
    for (std::size_t i = opened->size(); i < max_link_keys; ++i) {
      REQUIRE(store->rotate_link_key(day(0)));
    }
  }
  CHECK(keys_of(*store).open(link(keys_of(*store))));
  CHECK(store->rotate_link_key(day(0)).error().code == Errc::full);
}

TEST_CASE("link keys: a record that does not read is damage") {
  const TemporaryDirectory directory;
  {
    const auto store = open(directory.path());
  }
  {
    auto env = Env::open({directory.path(), false, false, test_map_size});
    REQUIRE(env);
    auto txn = Txn::write(**env);
    auto tables = open_tables(*txn, false);
    REQUIRE(tables);
    REQUIRE(txn->put(tables->meta, octets_of("link-keys"), octets_of("nonsense")));
    REQUIRE(txn->commit());
  }
  const auto opened = Store::open(options_at(directory.path(), Mode::read_write));
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Errc::damaged);
}
