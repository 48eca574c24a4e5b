// The ledger of copies as the store keeps it.
#include "child.h"
#include "fixture.h"
#include "store/backup.h"
#include "store/compaction.h"
#include "store/env.h"
#include "store/pages.h"
#include "store/tables.h"

#include <algorithm>
#include <csignal>

#include <lmdb.h>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

namespace {

using Copies = std::vector<policy::CopyKey>;

policy::CopyKey copy(int number) { return policy::copy_key("a@b", {}, std::to_string(number)); }

Copies copies(int from, int to) {
  Copies made;
  for (int i = from; i < to; ++i) made.push_back(copy(i));
  return made;
}

void keep(Store& store, const Copies& which, Time until, Time now, bool taken = true) {
  std::vector<Store::CopyChange> changes;
  for (const auto& one : which) changes.push_back({.copy = one, .until = until, .taken = taken});
  const auto done = store.keep_copies(changes, now);
  if (!done) FAIL(done.error().text);
}

std::size_t taken(const Store& store, const Copies& which, Time now) {
  const auto found = store.taken(which, now);
  if (!found) FAIL(found.error().text);
  REQUIRE(found->size() == which.size());
  return static_cast<std::size_t>(std::ranges::count(*found, true));
}

std::size_t rows(const std::filesystem::path& path) {
  auto env = Env::open({path, true, false, test_map_size});
  REQUIRE(env);
  auto txn = Txn::read(**env);
  auto tables = open_tables(*txn, false);
  REQUIRE(tables);
  return tables->ledger ? txn->size(*tables->ledger)->entries : 0;
}

}  // namespace

TEST_CASE("ledger: what was noted is taken until it expires, and nothing else is") {
  const TemporaryDirectory directory;
  {
    const auto store = open(directory.path());
    CHECK(taken(*store, copies(0, 10), day(0)) == 0);
    keep(*store, copies(0, 5), day(7), day(0));
    const auto found = store->taken(copies(4, 6), day(0));
    REQUIRE(found);
    CHECK(*found == std::vector<bool>{true, false});
  }
  const auto store = open(directory.path(), Mode::read_only);
  CHECK(taken(*store, copies(0, 10), day(6)) == 5);
  CHECK(taken(*store, copies(0, 10), day(7)) == 0);
  CHECK(store->keep_copies({}, day(0)).error().code == Errc::unsupported);
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("ledger: settled rows go, or stay for as long as is said; none is made by that") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  keep(*store, copies(0, 6), day(7), day(0));
  keep(*store, copies(0, 2), day(0), day(0), false);
  keep(*store, copies(2, 4), day(2), day(0), false);
  keep(*store, copies(6, 8), day(2), day(0), false);
  CHECK(taken(*store, copies(0, 8), day(1)) == 4);
  CHECK(taken(*store, copies(2, 4), day(2)) == 0);
  CHECK(taken(*store, copies(4, 6), day(2)) == 2);
  // In their order, in one call too.
  const std::vector<Store::CopyChange> both{{.copy = copy(4), .until = day(0), .taken = false},
                                            {.copy = copy(4), .until = day(9)},
                                            {.copy = copy(5), .until = day(9)},
                                            {.copy = copy(5), .until = day(0), .taken = false}};
  REQUIRE(store->keep_copies(both, day(1)));
  CHECK(taken(*store, {copy(4)}, day(8)) == 1);
  CHECK(taken(*store, {copy(5)}, day(1)) == 0);
}

TEST_CASE("ledger: what is said of a copy later prolongs nothing") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  CHECK(*store->last_copy_until() < day(0));
  keep(*store, {copy(1)}, day(7), day(0));
  keep(*store, {copy(2)}, day(1), day(0));
  keep(*store, copies(1, 3), day(3), day(0), false);
  CHECK(taken(*store, {copy(1)}, day(2)) == 1);
  CHECK(taken(*store, {copy(2)}, day(2)) == 0);
  CHECK(taken(*store, {copy(1)}, day(3)) == 0);
  CHECK(*store->last_copy_until() == day(3));
}

TEST_CASE("ledger: expired rows go, some with each commit") {
  const TemporaryDirectory directory;
  {
    const auto store = open(directory.path());
    keep(*store, copies(0, 1000), day(1), day(0));
    keep(*store, copies(1000, 2000), day(9), day(0));
    for (int i = 0; i < 50; ++i) keep(*store, {copy(5000 + i)}, day(9), day(2));
    CHECK(taken(*store, copies(0, 2000), day(2)) == 1000);
  }
  CHECK(rows(directory.path()) == 1050);
}

TEST_CASE("ledger: killed behind a commit it has all of it, killed before it nothing") {
  const TemporaryDirectory directory;
  const Child killed([&] {
    auto store = Store::open(options_at(directory.path(), Mode::create));
    if (!store) return 1;
    for (int i = 0; i < 20; ++i) {
      std::vector<Store::CopyChange> changes;
      for (const auto& one : copies(10 * i, 10 * i + 10)) changes.push_back({one, day(7)});
      if (!(*store)->keep_copies(changes, day(0))) return 2;
    }
    ::raise(SIGKILL);
    return 3;
  });
  REQUIRE(killed.run() == -1);
  const auto store = open(directory.path(), Mode::read_write);
  CHECK(taken(*store, copies(0, 250), day(0)) == 200);
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("ledger: a compaction keeps it; a restored backup begins with an empty one") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto restored = directory.path() / "restored";
  {
    const auto store = open(path);
    keep(*store, copies(0, 5), day(7), day(0));
    REQUIRE(store->backup(directory.path() / "backup"));
    REQUIRE(store->compact());
    // The old file is read on, and not written to.
    CHECK(taken(*store, copies(0, 9), day(0)) == 5);
    const Store::CopyChange late{.copy = copy(6), .until = day(7)};
    CHECK(store->keep_copies({&late, 1}, day(0)).error().code == Errc::busy);
    CHECK(store->must_reopen());
  }
  {
    const auto store = open(path, Mode::read_write);
    CHECK(taken(*store, copies(0, 9), day(0)) == 5);
    keep(*store, {copy(6)}, day(7), day(0));
  }
  REQUIRE(restore(directory.path() / "backup", options_at(restored, Mode::create), {}));
  CHECK(taken(*open(restored, Mode::read_write), copies(0, 9), day(0)) == 0);
}

TEST_CASE("ledger: a copy of the store begins with an empty one") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto copied = directory.path() / "copied";
  keep(*open(path), copies(0, 5), day(7), day(0));
  std::filesystem::copy(path, copied);
  CHECK(taken(*open(copied, Mode::read_write), copies(0, 5), day(0)) == 0);
  CHECK(taken(*open(path, Mode::read_write), copies(0, 5), day(0)) == 5);
}

TEST_CASE("ledger: the store of an earlier program has none, and gets one when it is written to") {
  const TemporaryDirectory directory;
  const auto& path = directory.path();
  {
    const auto store = open(path);
    apply(*store, hold("ann@example.com"));
  }
  {
    auto env = Env::open({path, false, false, test_map_size});
    REQUIRE(env);
    auto txn = Txn::write(**env);
    auto tables = open_tables(*txn, false);
    REQUIRE(tables);
    REQUIRE(::mdb_drop(txn->handle(), *tables->ledger, 1) == MDB_SUCCESS);
    REQUIRE(txn->commit());
  }
  CHECK(check_store_pages(path)->sound());
  {
    const auto store = open(path, Mode::read_only);
    CHECK(taken(*store, copies(0, 3), day(0)) == 0);
    CHECK(contact_of(*store, "ann@example.com").holds.size() == 1);
    CHECK(store->verify({})->wrong == 0);
    REQUIRE(store->backup(directory.path() / "backup"));
  }
  const auto store = open(path, Mode::read_write);
  keep(*store, copies(0, 3), day(7), day(0));
  CHECK(taken(*store, copies(0, 3), day(0)) == 3);
}
