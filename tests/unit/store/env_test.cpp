// The environment: what one process may have open at once, and the lock that keeps a store's two
// files together.
#include "store/env.h"

#include "child.h"
#include "fixture.h"
#include "store/copy.h"
#include "store/location.h"
#include "store/swap.h"
#include "store/txn.h"

#include <fstream>
#include <sys/stat.h>

#include <unistd.h>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

namespace {

Env::Settings settings_at(const std::filesystem::path& path, bool read_only = false) {
  return {path, read_only, false, test_map_size};
}

}  // namespace

TEST_CASE("readers are counted, resting ones too, until they are gone") {
  const TemporaryDirectory directory;
  apply(*open(directory.path()), hold("a@example.com"));
  auto env = Env::open(settings_at(directory.path()));
  REQUIRE(env);
  CHECK((*env)->readers() == 0);
  {
    auto first = Txn::read(**env);
    auto second = Txn::read(**env);
    REQUIRE(first);
    REQUIRE(second);
    second->reset();
    CHECK((*env)->readers() == 2);
  }
  CHECK((*env)->readers() == 0);
}

TEST_CASE("two pairs of files at one path, one after the other, may be open at once") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto other = directory.path() / "other";
  apply(*open(path), hold("a@example.com"));
  apply(*open(other), hold("b@example.com"));
  const Child reading([&] {
    auto store = Store::open(options_at(path, Mode::read_write));
    return store && (*store)->clear_stale_readers().value_or(-1) == 0 ? 0 : 1;
  });
  auto first = Env::open(settings_at(path));
  REQUIRE(first);
  CHECK((*first)->in_place());
  for (const auto& file : {data_file, lock_file}) {
    std::filesystem::rename(file(path), file(directory.path()));
    std::filesystem::rename(file(other), file(path));
  }
  CHECK_FALSE((*first)->in_place());
  auto second = Env::open(settings_at(path));
  REQUIRE(second);
  auto kept = Txn::read(**second);
  REQUIRE(kept);
  // Closing the first drops no lock of the second: another process sees that its reader lives.
  first->reset();
  CHECK(reading.run() == 0);
  CHECK((*second)->readers() == 1);
  auto third = Env::open(settings_at(path));
  REQUIRE_FALSE(third);
  CHECK(third.error().code == Errc::busy);
}

TEST_CASE("a copy is opened by itself: nothing is written beside it") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto copy = directory.path() / "copy" / "data.mdb";
  apply(*open(path), hold("a@example.com"));
  std::filesystem::create_directory(copy.parent_path());
  auto env = Env::open(settings_at(path, true));
  REQUIRE(env);
  REQUIRE(write_copy(**env, copy));
  const auto again = write_copy(**env, copy);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Errc::exists);
  auto opened = Env::open_copy(copy);
  REQUIRE(opened);
  auto txn = Txn::read(**opened);
  REQUIRE(txn);
  auto contacts = txn->open_table("contacts", TableKind::plain, false);
  REQUIRE(contacts);
  CHECK(txn->size(*contacts)->entries == 1);
  CHECK_FALSE(Txn::write(**opened));
  CHECK_FALSE(std::filesystem::exists(lock_file(copy.parent_path())));
  CHECK_FALSE(Env::open_copy(directory.path() / "none"));
}

TEST_CASE(
    "the directory's lock is shared by those who open, and waited for no longer than patience") {
  const TemporaryDirectory directory;
  const auto& path = directory.path();
  using enum DirectoryLock::Kind;
  constexpr std::chrono::milliseconds soon{5};
  CHECK(DirectoryLock::is_free(path).value());
  auto one = DirectoryLock::take(path, shared);
  auto two = DirectoryLock::take(path, shared, soon);
  REQUIRE(one);
  REQUIRE(two);
  CHECK_FALSE(DirectoryLock::is_free(path).value());
  const auto refused = DirectoryLock::take(path, alone, soon);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::busy);
  CHECK_MESSAGE(refused.error().text.contains(path.string()), refused.error().text);
  one->release();
  two->release();
  const auto three = DirectoryLock::take(path, alone, soon);
  REQUIRE(three);
  CHECK(three->held());
  CHECK_FALSE(DirectoryLock::take(path, shared, soon));
  // What is not there is nobody's to keep.
  const auto none = DirectoryLock::take(path / "none", alone, soon);
  REQUIRE(none);
  CHECK_FALSE(none->held());
}

TEST_CASE("what a dead process left in the workshop is cleared away, but not without a store") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  apply(*open(path), hold("a@example.com"));
  REQUIRE(::mkdir(workshop_of(path).c_str(), 0700) == 0);
  std::ofstream(data_file(workshop_of(path))) << "half a copy";
  {
    const auto store = open(path, Mode::read_only);
    CHECK(contact_of(*store, "a@example.com").holds.size() == 1);
  }
  CHECK_FALSE(std::filesystem::exists(workshop_of(path)));

  REQUIRE(::mkdir(workshop_of(path).c_str(), 0700) == 0);
  std::filesystem::rename(data_file(path), data_file(workshop_of(path)));
  const auto none = Store::open(options_at(path, Mode::read_write));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Errc::not_found);
  CHECK(std::filesystem::exists(data_file(workshop_of(path))));
}

TEST_CASE("who may not write in the directory reads what is there, whatever was left") {
  if (::geteuid() != 0) return;
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  apply(*open(path), hold("a@example.com"));
  REQUIRE(::mkdir(workshop_of(path).c_str(), 0700) == 0);
  std::ofstream(data_file(workshop_of(path))) << "half a copy";
  for (const auto& file : {data_file(path), lock_file(path)}) {
    REQUIRE(::chmod(file.c_str(), 0666) == 0);
  }
  REQUIRE(::chmod(path.c_str(), 0755) == 0);
  REQUIRE(::chmod(directory.path().c_str(), 0755) == 0);
  CHECK(in_child([&] {
          if (::setgid(54321) != 0 || ::setuid(54321) != 0) return 2;
          auto store = Store::open(options_at(path, Mode::read_only));
          return store && contact_of(**store, "a@example.com").holds.size() == 1 ? 0 : 1;
        }) == 0);
  CHECK(std::filesystem::exists(workshop_of(path)));
}
