// The readers' filter: whoever is held is found, whoever wrote it, at once.
#include "store/absence.h"

#include "child.h"
#include "fixture.h"
#include "store/digests.h"
#include "store/exchange.h"

#include <chrono>
#include <csignal>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace postern::store {
namespace {

using test::apply;
using test::found_by;
using test::hold;
using test::open;

void build_filter(Store& store) {
  while (!store.keep_filter()) std::this_thread::sleep_for(std::chrono::milliseconds{1});
}

bool is_certain(const Store& store, std::string_view address) {
  const auto filter = store.filter();
  REQUIRE(filter);
  const auto asked = test::contact(address);
  return filter->is_certain(asked, *store.ref(asked));
}

ImportSummary import_text(Store& store, const std::string& text) {
  std::istringstream in(text);
  ImportOptions options;
  options.now = test::day(1);
  return import_rows(store, in, options);
}

TEST_CASE("with a filter everything is found that was there before, under each of its forms") {
  const test::TemporaryDirectory directory;
  const auto store = open(directory.path());
  apply(*store, hold("a@example.com"));
  apply(*store, hold("jane.doe@gmail.com"));
  apply(*store, hold("@blocked.example", policy::HoldKind::blocked, test::all()));
  apply(*store, hold("@.below.example", policy::HoldKind::blocked, test::all()));
  build_filter(*store);
  auto reader = store->reader();
  REQUIRE(reader);
  for (const auto* held :
       {"a@example.com", "A+news@EXAMPLE.com", "jane.doe@gmail.com", "j.anedoe+x@googlemail.com",
        "any@blocked.example", "x@a.below.example", "x@b.a.below.example"}) {
    CAPTURE(held);
    CHECK(found_by(**reader, held) == 1);
    CHECK_FALSE(is_certain(*store, held));
  }
  for (const auto* absent :
       {"b@example.com", "b+a@example.com", "john.doe@gmail.com", "x@below.example", "x@example"}) {
    CAPTURE(absent);
    CHECK(found_by(**reader, absent) == 0);
    CHECK(is_certain(*store, absent));
  }
}

TEST_CASE("a new hold is found by the next question, also under its other spellings") {
  const test::TemporaryDirectory directory;
  const auto store = open(directory.path());
  build_filter(*store);
  auto reader = store->reader();
  REQUIRE(reader);
  for (int i = 0; i < 300; ++i) {
    const std::string name = "n." + std::to_string(i);
    REQUIRE(found_by(**reader, name + "@gmail.com") == 0);
    apply(*store, hold(name + "@gmail.com"));
    REQUIRE(found_by(**reader, "n" + std::to_string(i) + "@googlemail.com") == 1);
  }
  REQUIRE(found_by(**reader, "x@sub.new.example") == 0);
  apply(*store, hold("@.new.example", policy::HoldKind::blocked, test::all()));
  CHECK(found_by(**reader, "x@sub.new.example") == 1);
  CHECK(is_certain(*store, "x@other.example"));
}

TEST_CASE("more news than a lookup reads: the store is asked until somebody has read them") {
  const test::TemporaryDirectory directory;
  const auto store = open(directory.path());
  build_filter(*store);
  auto reader = store->reader();
  REQUIRE(reader);
  std::string rows = "email\n";
  for (int i = 0; i < 5000; ++i) rows += "row" + std::to_string(i) + "@example.com\n";
  REQUIRE_FALSE(import_text(*store, rows).error);
  for (int i = 0; i < 5000; i += 7) {
    REQUIRE(found_by(**reader, "row" + std::to_string(i) + "@example.com") == 1);
  }
  CHECK_FALSE(is_certain(*store, "absent@example.com"));
  CHECK(store->keep_filter());
  CHECK(is_certain(*store, "absent@example.com"));
  CHECK(found_by(**reader, "row4999@example.com") == 1);
}

TEST_CASE("a filter that is full is replaced by a larger one, and nobody is missed meanwhile") {
  const test::TemporaryDirectory directory;
  const auto store = open(directory.path());
  build_filter(*store);
  auto reader = store->reader();
  REQUIRE(reader);
  std::string rows = "email\n";
  constexpr int many = 70'000;  // the least that one is made for is 65,536
  for (int i = 0; i < many; ++i) rows += "row" + std::to_string(i) + "@example.com\n";
  REQUIRE_FALSE(import_text(*store, rows).error);
  const auto first = store->filter();
  build_filter(*store);
  build_filter(*store);
  CHECK(store->filter() != first);
  for (int i = 0; i < many; i += 11) {
    REQUIRE(found_by(**reader, "row" + std::to_string(i) + "@example.com") == 1);
  }
  CHECK(is_certain(*store, "absent@example.com"));
}

TEST_CASE("what another process writes is found at once, also where it dies without a word") {
  const test::TemporaryDirectory directory;
  {
    const auto made = open(directory.path());
  }
  const test::Child child([&] {
    const auto other = open(directory.path(), Mode::read_write);
    apply(*other, hold("theirs@example.com"));
    apply(*other, hold("the.irs@gmail.com"));
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  const auto store = open(directory.path(), Mode::read_write);
  build_filter(*store);
  auto reader = store->reader();
  REQUIRE(reader);
  REQUIRE(found_by(**reader, "theirs@example.com") == 0);
  REQUIRE(is_certain(*store, "theirs@example.com"));
  CHECK(child.run() == -1);
  CHECK(found_by(**reader, "theirs@example.com") == 1);
  CHECK(found_by(**reader, "theirs@gmail.com") == 1);
  CHECK(found_by(**reader, "ours@example.com") == 0);
}

TEST_CASE("other rules, or a text that was erased unseen: the filter is built anew") {
  const test::TemporaryDirectory directory;
  {
    const auto made = open(directory.path());
  }
  const test::Child child([&] {
    Options options = test::options_at(directory.path(), Mode::read_write);
    options.providers = {{.domains = {"dots.example"}, .ignore_dots = true}};
    return Store::open(options) ? 0 : 1;
  });
  const auto store = open(directory.path(), Mode::read_write);
  apply(*store, hold("a.b@dots.example"));
  build_filter(*store);
  auto reader = store->reader();
  REQUIRE(reader);
  REQUIRE(found_by(**reader, "ab@dots.example") == 0);
  REQUIRE(is_certain(*store, "ab@dots.example"));
  REQUIRE(child.run() == 0);
  CHECK(found_by(**reader, "ab@dots.example") == 1);
  build_filter(*store);
  CHECK(found_by(**reader, "ab@dots.example") == 1);

  apply(*store, hold("c.d@gmail.com"));
  REQUIRE(store->forget(test::contact("c.d@gmail.com"), directory.path() / "forgotten",
                        {"cli", "", "root"}, test::day(2)));
  CHECK(found_by(**reader, "cd@gmail.com") == 1);
  CHECK(found_by(**reader, "c.d@gmail.com") == 1);
  build_filter(*store);
  CHECK(found_by(**reader, "cd@gmail.com") == 1);
}

TEST_CASE("entries of hash lists are always asked for") {
  const test::TemporaryDirectory directory;
  const auto store = open(directory.path());
  build_filter(*store);
  auto reader = store->reader();
  REQUIRE(reader);
  REQUIRE(found_by(**reader, "hashed@example.com") == 0);
  PlaceHold listed = hold("a@example.com");
  listed.address = {hex_digest(Digest::md5, "hashed@example.com")};
  apply(*store, listed);
  CHECK(found_by(**reader, "hashed@example.com") == 1);
}

}  // namespace
}  // namespace postern::store
