// The gate's hold on its store, over a compaction and over a store that goes away and comes back.
#include "cli/store_keeper.h"

#include "../store/child.h"
#include "../store/fixture.h"
#include "store/compaction.h"
#include "store/env.h"
#include "store/location.h"

#include <filesystem>
#include <thread>

using namespace postern;
using namespace postern::cli;
using namespace postern::store::test;

namespace {

std::size_t found_in(policy::ContactReader& reader, std::string_view address) {
  policy::Findings findings;
  const auto done = reader.find(contact(address), findings);
  return done ? findings.size : 99;
}

bool answers(policy::ContactReader& reader) {
  policy::Findings findings;
  return reader.find(contact("a@example.com"), findings).has_value();
}

int compact_at(const std::filesystem::path& path) {
  auto store = store::Store::open(options_at(path, store::Mode::read_write));
  if (!store) return 2;
  const auto done = (*store)->compact();
  return done && done->readers_left == 0 ? 0 : 1;
}

}  // namespace

TEST_CASE("the keeper goes over to a compacted store, and every lookup is answered meanwhile") {
  const TemporaryDirectory directory;
  apply(*open(directory.path()), hold("a@example.com"));
  const Child compacting([&] { return compact_at(directory.path()); });
  StoreKeeper keeper(options_at(directory.path(), store::Mode::create));
  keeper.look();
  const auto reader = keeper.reader();
  const auto old = keeper.store();
  REQUIRE(found_in(*reader, "a@example.com") == 1);
  compacting.go();
  // The compaction ends when no reader looks at the old file any more.
  std::thread gate([&] {
    while (keeper.store() == old) {
      CHECK(found_in(*reader, "a@example.com") == 1);
      keeper.look();
      std::this_thread::yield();
    }
    CHECK(found_in(*reader, "a@example.com") == 1);
  });
  CHECK(compacting.wait() == 0);
  gate.join();
  apply(*keeper.store(), hold("b@example.com"));
  CHECK(found_in(*reader, "b@example.com") == 1);
  CHECK_FALSE(keeper.store()->must_reopen());
}

TEST_CASE("a reader that comes to a replaced store before the keeper has looked does not answer") {
  const TemporaryDirectory directory;
  apply(*open(directory.path()), hold("a@example.com"));
  const Child compacting([&] { return compact_at(directory.path()); });
  StoreKeeper keeper(options_at(directory.path(), store::Mode::create));
  keeper.look();
  CHECK(compacting.run() == 0);
  const auto reader = keeper.reader();
  CHECK_FALSE(answers(*reader));
  keeper.look();
  CHECK(found_in(*reader, "a@example.com") == 1);
}

TEST_CASE("a store that goes away is an error until it, or another, is there") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto away = directory.path() / "away";
  const auto other = directory.path() / "other";
  apply(*open(path), hold("a@example.com"));
  apply(*open(other), hold("b@example.com"));
  StoreKeeper keeper(options_at(path, store::Mode::create));
  keeper.look();
  const auto reader = keeper.reader();
  std::filesystem::rename(path, away);
  keeper.look();
  CHECK_FALSE(answers(*reader));
  CHECK(keeper.store() == nullptr);
  std::filesystem::create_directory(path);
  keeper.look();
  CHECK_FALSE(answers(*reader));
  std::filesystem::remove(path);
  std::filesystem::rename(other, path);
  keeper.look();
  CHECK(found_in(*reader, "a@example.com") == 0);
  CHECK(found_in(*reader, "b@example.com") == 1);
}
