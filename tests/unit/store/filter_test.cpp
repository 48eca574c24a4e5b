#include "store/filter.h"

#include "fixture.h"

#include <algorithm>
#include <vector>

namespace postern::store {
namespace {

std::vector<ContactKey> keys(std::uint64_t count, std::uint8_t first) {
  const KeyHasher hasher({first});
  std::vector<ContactKey> made;
  for (std::uint64_t i = 0; i < count; ++i) made.push_back(hasher(std::to_string(i)));
  return made;
}

std::unique_ptr<Filter> filter_for(const std::filesystem::path& directory, std::uint64_t count) {
  auto made = Filter::create(directory, count);
  if (!made) FAIL(made.error().text);
  return *std::move(made);
}

TEST_CASE("a filter never denies what was added, and rarely takes another for it") {
  const test::TemporaryDirectory directory;
  for (const std::uint64_t count : {1UL, 100UL, 100'000UL}) {
    const auto filter = filter_for(directory.path(), count);
    const auto held = keys(count, 1);
    for (const ContactKey& key : held) filter->add(key);
    CHECK(std::ranges::all_of(held, [&](const ContactKey& key) { return filter->may_have(key); }));
    CHECK_FALSE(filter->is_full());
    filter->add({});
    CHECK(filter->is_full());
    if (count < 100'000) continue;
    const auto others = keys(count, 2);
    const auto taken =
        std::ranges::count_if(others, [&](const ContactKey& key) { return filter->may_have(key); });
    CHECK(taken < 500);  // of 100,000
  }
}

TEST_CASE("a filter that is empty has nothing, and lies in no file that is left") {
  const test::TemporaryDirectory directory;
  const auto filter = filter_for(directory.path(), 1000);
  for (const ContactKey& key : keys(1000, 1)) CHECK_FALSE(filter->may_have(key));
  CHECK(std::filesystem::is_empty(directory.path()));
  CHECK_FALSE(Filter::create(directory.path() / "missing", 1000));
}

}  // namespace
}  // namespace postern::store
