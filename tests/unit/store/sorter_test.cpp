#include "store/sorter.h"

#include "fixture.h"

#include <algorithm>
#include <random>
#include <tuple>
#include <vector>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

TEST_CASE("records come out by key and place, whatever fits into memory") {
  struct Item {
    ContactKey key;
    std::uint64_t place;
    std::vector<std::uint8_t> octets;
    bool operator==(const Item&) const = default;
  };
  const TemporaryDirectory directory;
  std::mt19937 random(7);
  for (const std::size_t memory : {1U, 300U, 100'000U, 100'000'000U}) {
    CAPTURE(memory);
    std::vector<Item> items;
    for (std::uint64_t i = 0; i < 2000; ++i) {
      Item item{{}, i, std::vector<std::uint8_t>(random() % 700)};
      item.key[0] = static_cast<std::uint8_t>(random() % 5);
      item.key[15] = static_cast<std::uint8_t>(random());
      for (auto& octet : item.octets) octet = static_cast<std::uint8_t>(random());
      items.push_back(std::move(item));
    }
    items[5].octets.resize(400'000);
    Sorter sorter(directory.path(), memory);
    for (const Item& item : items) REQUIRE(sorter.add({item.key, item.place, item.octets}));
    CHECK(sorter.size() == items.size());
    std::vector<Item> got;
    Sorter::Record record;
    auto more = sorter.next(record);
    for (; more && *more; more = sorter.next(record)) {
      got.push_back({record.key, record.place, {record.octets.begin(), record.octets.end()}});
    }
    REQUIRE(more);
    std::ranges::sort(items, {}, [](const Item& item) { return std::tie(item.key, item.place); });
    CHECK(got == items);
    CHECK(std::filesystem::is_empty(directory.path()));
    if (memory == 1) break;  // a run for each record: once is enough
  }
}

TEST_CASE("nothing sorted is nothing; a folder that is not there is an error") {
  const TemporaryDirectory directory;
  Sorter nothing(directory.path(), 100);
  Sorter::Record record;
  CHECK(*nothing.next(record) == false);
  Sorter lost(directory.path() / "none", 1);
  REQUIRE(lost.add({.key = {}, .place = 1, .octets = {}}));
  CHECK(lost.add({.key = {}, .place = 2, .octets = {}}).error().code == Errc::io);
}
