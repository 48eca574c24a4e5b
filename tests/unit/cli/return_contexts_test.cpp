#include "cli/return_contexts.h"

#include "program.h"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <vector>

using namespace postern;
using Entry = policy::ReturnContexts::Entry;
using postern::cli::ReturnContexts;
using std::chrono::milliseconds;

namespace {

std::shared_ptr<store::Store> opened(const std::filesystem::path& path) {
  auto made = store::Store::open(
      {.path = path, .mode = store::Mode::create, .map_size = 1ULL << 30U, .providers = {}});
  REQUIRE(made);
  return *std::move(made);
}

// A store that can be away, and be replaced.
struct Place {
  explicit Place(const Folder& folder) : store(opened(folder.file("store"))) {}
  std::atomic<bool> away = false;
  std::shared_ptr<store::Store> store;

  [[nodiscard]] auto access() {
    return [this]() -> std::shared_ptr<store::Store> { return away ? nullptr : store; };
  }
  [[nodiscard]] auto keys() {
    return [this]() -> std::shared_ptr<const policy::LinkKeys> {
      if (away) return nullptr;
      auto keys = store->link_keys();
      return keys ? std::make_shared<const policy::LinkKeys>(*std::move(keys)) : nullptr;
    };
  }
};

constexpr std::uint32_t far = 60'000;  // a day

Entry entry(std::uint64_t hash, std::uint32_t until = far) {
  return {.hash = hash, .context = {"news", "news@example.com"}, .until = until};
}

// Waits for the answer.
Result<void> keep(ReturnContexts& contexts, std::vector<Entry> entries) {
  std::promise<Result<void>> answer;
  contexts.keep(std::move(entries), [&](auto done) { answer.set_value(std::move(done)); });
  return answer.get_future().get();
}

constexpr ReturnContexts::Limits hasty{
    .waiting = 3, .remembered = 4, .patience = milliseconds{200}, .retry = milliseconds{1}};

}  // namespace

TEST_CASE("return contexts: the store has it when it is answered, and it is remembered") {
  const Folder folder;
  Place place(folder);
  ReturnContexts contexts(place.access(), place.keys());
  contexts.start();
  CHECK_FALSE(contexts.on_record(entry(1)));
  REQUIRE(keep(contexts, {entry(1), entry(2)}));
  CHECK(place.store->context(1)->value().sender == "news@example.com");
  CHECK(contexts.on_record(entry(1)));
  CHECK(contexts.on_record(entry(2, far - 1)));
  CHECK_FALSE(contexts.on_record(entry(2, far + 1)));
  CHECK_FALSE(contexts.on_record(entry(3)));
}

TEST_CASE("return contexts: another store is not taken for the one that has it") {
  const Folder folder;
  const Folder elsewhere;
  Place place(folder);
  ReturnContexts contexts(place.access(), place.keys());
  contexts.start();
  REQUIRE(keep(contexts, {entry(1)}));
  place.store = opened(elsewhere.file("store"));
  CHECK_FALSE(contexts.on_record(entry(1)));
  REQUIRE(keep(contexts, {entry(1)}));
  CHECK(contexts.on_record(entry(1)));
  CHECK(place.store->context(1)->has_value());
}

TEST_CASE(
    "return contexts: a store that stays away fails them in time, one that comes back does not") {
  const Folder folder;
  Place place(folder);
  ReturnContexts contexts(place.access(), place.keys(), hasty);
  contexts.start();
  REQUIRE(keep(contexts, {entry(1)}));
  place.away = true;
  CHECK_FALSE(contexts.tokens());
  CHECK_FALSE(contexts.on_record(entry(1)));
  CHECK(keep(contexts, {entry(2)}).error().text == "the store is away");
  std::promise<Result<void>> answer;
  contexts.keep({entry(3)}, [&](auto done) { answer.set_value(std::move(done)); });
  place.away = false;
  CHECK(answer.get_future().get());
  CHECK(contexts.on_record(entry(3)));
}

TEST_CASE("return contexts: what is remembered is bounded") {
  const Folder folder;
  Place place(folder);
  ReturnContexts contexts(place.access(), place.keys(), hasty);
  contexts.start();
  for (std::uint64_t hash = 1; hash <= 20; ++hash) {
    REQUIRE(keep(contexts, {entry(hash)}));
    CHECK(contexts.on_record(entry(hash)));
  }
  std::size_t remembered = 0;
  for (std::uint64_t hash = 1; hash <= 20; ++hash) remembered += contexts.on_record(entry(hash));
  CHECK(remembered <= hasty.remembered);
}

TEST_CASE("return contexts: too many that wait are refused") {
  const Folder folder;
  Place place(folder);
  place.away = true;
  std::vector<std::promise<Result<void>>> answers(10);
  std::size_t full = 0;
  {
    ReturnContexts contexts(place.access(), place.keys(), hasty);
    contexts.start();
    for (auto& answer : answers) {
      contexts.keep({entry(1)}, [&](auto done) { answer.set_value(std::move(done)); });
    }
  }
  for (auto& answer : answers) {
    const auto got = answer.get_future().get();
    REQUIRE_FALSE(got);
    if (got.error().code == Errc::full) ++full;
  }
  CHECK(full >= 3);
}

TEST_CASE("return contexts: tokens are those of the store's keys") {
  const Folder folder;
  Place place(folder);
  ReturnContexts contexts(place.access(), place.keys());
  contexts.start();
  const auto tokens = contexts.tokens();
  REQUIRE(tokens);
  const policy::ReturnToken token{.context = 7, .day = 20'000};
  const auto text = tokens->make(token);
  REQUIRE(place.store->rotate_link_key(Time{}));
  const auto later = contexts.tokens();
  CHECK(later->check(text) == token);
  CHECK(later->make(token) != text);
}
