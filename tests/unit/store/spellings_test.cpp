// Folded forms are written before their contacts: whatever comes in between, a contact that is in
// the store is found under its other spellings.
#include "store/spellings.h"

#include "child.h"
#include "fixture.h"
#include "store/exchange.h"

#include <chrono>
#include <functional>
#include <sstream>
#include <string>
#include <thread>

namespace postern::store {
namespace {

using test::found_by;
using test::open;

constexpr auto file = "email\njane.doe@gmail.com\na.b@dots.example\nplain@example.com\n";

// `between` is called when the forms are on the disk, and the contacts are not; false ends it.
ImportSummary import_with(Store& store, const std::function<bool()>& between) {
  std::istringstream in(file);
  ImportOptions options;
  options.now = test::day(1);
  options.file = "list.csv";
  // Asked before each commit: the first is that of the forms.
  options.stop = [&, asked = 0]() mutable { return ++asked == 2 && !between(); };
  return import_rows(store, in, options);
}

std::size_t found(const Store& store, std::string_view address) {
  auto reader = store.reader();
  REQUIRE(reader);
  return found_by(**reader, address);
}

TEST_CASE("broken off behind the forms nobody is found, nothing is wrong, and it can go on") {
  const test::TemporaryDirectory directory;
  const auto store = open(directory.path());
  const auto broken_off = import_with(*store, [] { return false; });
  REQUIRE(broken_off.error);
  CHECK(broken_off.error->code == Errc::cancelled);
  CHECK(store->stats(test::day(1))->contacts == 0);
  CHECK(found(*store, "janedoe@gmail.com") == 0);
  CHECK(store->verify({})->wrong == 0);
  const auto done = import_with(*store, [] { return true; });
  CHECK_FALSE(done.error);
  CHECK(done.counts.added == 3);
  CHECK(found(*store, "j.anedoe@googlemail.com") == 1);
  CHECK(found(*store, "plain@example.com") == 1);
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("the rules change behind the forms: contacts get those of the new rules") {
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
  const auto done = import_with(*store, [&] { return child.run() == 0; });
  CHECK_FALSE(done.error);
  CHECK(found(*store, "ab@dots.example") == 1);
  CHECK(found(*store, "janedoe@gmail.com") == 1);
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("rules that tell two spellings apart leave nothing of the forms that did not") {
  const test::TemporaryDirectory directory;
  const auto open_with = [&](bool ignore_dots) {
    Options options = test::options_at(directory.path(), Mode::read_write);
    options.providers = {{.domains = {"dots.example"}, .ignore_dots = ignore_dots}};
    return Store::open(options);
  };
  {
    const auto made = open(directory.path());
  }
  {
    auto store = open_with(true);
    REQUIRE(store);
    CHECK(import_with(**store, [] { return false; }).error);
  }
  auto store = open_with(false);
  REQUIRE(store);
  CHECK_FALSE(import_with(**store, [] { return true; }).error);
  CHECK(found(**store, "a.b@dots.example") == 1);
  CHECK(found(**store, "ab@dots.example") == 0);
}

TEST_CASE("forgotten before the filter has seen it, a contact is found under its other spellings") {
  const test::TemporaryDirectory directory;
  const auto store = open(directory.path());
  while (!store->keep_filter()) std::this_thread::sleep_for(std::chrono::milliseconds{1});
  auto reader = store->reader();
  REQUIRE(reader);
  const auto done = import_with(*store, [&] {
    // The filter is told of the forms alone.
    return store->keep_filter() && found_by(**reader, "janedoe@gmail.com") == 0;
  });
  REQUIRE_FALSE(done.error);
  REQUIRE(store->forget(test::contact("jane.doe@gmail.com"), directory.path() / "forgotten",
                        {"cli", "", "root"}, test::day(2)));
  CHECK(found_by(**reader, "janedoe@gmail.com") == 1);
}

}  // namespace
}  // namespace postern::store
