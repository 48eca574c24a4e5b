// A store and its other users: processes beside this one, and copies of it.
#include "child.h"
#include "fixture.h"

#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>

#include <unistd.h>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

namespace {

bool child_holds(const std::filesystem::path& path, std::string_view address) {
  auto store = Store::open(options_at(path, Mode::create));
  if (!store) return false;
  const Change change = hold(address);
  return (*store)->change({&change, 1}, day(0)).has_value();
}

}  // namespace

TEST_CASE("events of one origin are numbered without a gap; a copy draws an origin of its own") {
  const TemporaryDirectory directory;
  const auto original = directory.path() / "original";
  const auto copy = directory.path() / "copy";
  {
    const auto store = open(original);
    apply(*store, hold("a@example.com"));
  }
  {
    const auto store = open(original, Mode::read_write);
    apply(*store, hold("b@example.com"));
    const auto first = history_of(*store, "a@example.com").at(0).event.id;
    const auto second = history_of(*store, "b@example.com").at(0).event.id;
    CHECK(first.origin == second.origin);
    CHECK(first.sequence == 1);
    CHECK(second.sequence == 2);
  }
  std::filesystem::copy(original, copy, std::filesystem::copy_options::recursive);
  {
    const auto reading = open(copy, Mode::read_only);
    CHECK(contact_of(*reading, "b@example.com").holds.size() == 1);
  }
  const auto store = open(original, Mode::read_write);
  const auto copied = open(copy, Mode::read_write);
  apply(*store, hold("c@example.com"));
  apply(*copied, hold("c@example.com"));
  const auto here = history_of(*store, "c@example.com").at(0).event.id;
  const auto there = history_of(*copied, "c@example.com").at(0).event.id;
  CHECK(here.origin == history_of(*store, "a@example.com").at(0).event.id.origin);
  CHECK(here.sequence == 3);
  CHECK(there.origin != here.origin);
  CHECK(there.sequence == 1);
}

TEST_CASE("a change of another process binds at once") {
  const TemporaryDirectory directory;
  REQUIRE(in_child([&] { return child_holds(directory.path(), "a@example.com") ? 0 : 1; }) == 0);
  int go[2];
  REQUIRE(::pipe2(go, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    char octet = 0;
    const bool told = ::read(go[0], &octet, 1) == 1;
    ::_exit(told && child_holds(directory.path(), "b@example.com") ? 0 : 1);
  }
  {
    const auto store = open(directory.path(), Mode::read_write);
    auto reader = store->reader();
    REQUIRE(reader);
    CHECK(found_by(**reader, "a@example.com") == 1);
    CHECK(found_by(**reader, "b@example.com") == 0);
    REQUIRE(::write(go[1], "x", 1) == 1);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(found_by(**reader, "b@example.com") == 1);
    // Numbers go on where the other process left them.
    apply(*store, hold("c@example.com"));
    CHECK(history_of(*store, "c@example.com").at(0).event.id.sequence == 3);
  }
  ::close(go[0]);
  ::close(go[1]);
}

TEST_CASE("a store that grew past this process's map says so, and goes on when opened again") {
  const TemporaryDirectory directory;
  constexpr std::uint64_t small = 2UL * 1024 * 1024;
  {
    const auto store = open(directory.path(), Mode::create, small);
    apply(*store, hold("a@example.com"));
  }
  int go[2];
  REQUIRE(::pipe2(go, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    char octet = 0;
    if (::read(go[0], &octet, 1) != 1) ::_exit(2);
    auto store = Store::open(options_at(directory.path(), Mode::read_write));
    std::vector<Change> changes;
    for (int i = 0; i < 15'000; ++i) changes.emplace_back(hold(std::to_string(i) + "@example.com"));
    ::_exit(store && (*store)->change(changes, day(0)) ? 0 : 1);
  }
  {
    const auto store = open(directory.path(), Mode::read_write, small);
    auto reader = store->reader();
    REQUIRE(reader);
    CHECK(found_by(**reader, "a@example.com") == 1);
    CHECK_FALSE(store->must_reopen());
    REQUIRE(::write(go[1], "x", 1) == 1);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WEXITSTATUS(status) == 0);
    policy::Findings findings;
    const auto found = (*reader)->find(contact("a@example.com"), findings);
    REQUIRE_FALSE(found);
    CHECK(found.error().code == Errc::busy);
    CHECK(store->must_reopen());
  }
  // With the map of the one that let it grow: there is room to write too.
  const auto store = open(directory.path(), Mode::read_write, small);
  auto reader = store->reader();
  REQUIRE(reader);
  CHECK(found_by(**reader, "a@example.com") == 1);
  CHECK(found_by(**reader, "14999@example.com") == 1);
  for (int i = 0; i < 200; ++i) apply(*store, hold("later" + std::to_string(i) + "@example.com"));
  CHECK_FALSE(store->must_reopen());
  ::close(go[0]);
  ::close(go[1]);
}

TEST_CASE("the slots of a reader that was killed are given back") {
  const TemporaryDirectory directory;
  int ready[2];
  REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto store = Store::open(options_at(directory.path(), Mode::create));
    if (!store) ::_exit(1);
    auto reader = (*store)->reader();
    policy::Findings findings;
    const bool done = reader && (*reader)->find(contact("a@example.com"), findings).has_value() &&
                      ::write(ready[1], "x", 1) == 1;
    while (done) ::pause();
    ::_exit(1);
  }
  char octet = 0;
  REQUIRE(::read(ready[0], &octet, 1) == 1);
  const auto store = open(directory.path(), Mode::read_write);
  CHECK(*store->clear_stale_readers() == 0);
  REQUIRE(::kill(child, SIGKILL) == 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK(*store->clear_stale_readers() == 1);
  CHECK(*store->clear_stale_readers() == 0);
  ::close(ready[0]);
  ::close(ready[1]);
}
