#include "cli/copy_ledger.h"

#include "cli/store_keeper.h"
#include "program.h"
#include "store/compaction.h"

#include <atomic>
#include <chrono>
#include <latch>
#include <thread>

using namespace postern;
using postern::cli::CopyLedger;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds never = std::chrono::hours{1};

// A store that can be away.
class Place {
 public:
  explicit Place(const Folder& folder) {
    auto store = store::Store::open({.path = folder.file("store"),
                                     .mode = store::Mode::create,
                                     .map_size = 1ULL << 30U,
                                     .providers = {}});
    REQUIRE(store);
    store_ = *std::move(store);
  }
  [[nodiscard]] auto access() {
    return [this] { return away ? nullptr : store_; };
  }
  [[nodiscard]] bool has(const policy::CopyKey& copy) const {
    return store_->taken({&copy, 1}, current_time()).value()[0];
  }
  std::atomic<bool> away = false;

 private:
  std::shared_ptr<store::Store> store_;
};

policy::CopyKey copy(int number) { return policy::copy_key("a@b", {}, std::to_string(number)); }
Time in_days(int days) { return current_time() + std::chrono::days{days}; }
Time past() { return current_time() - std::chrono::hours{1}; }

// Waits until it was done; its outcome.
Result<void> note(CopyLedger& ledger, std::vector<policy::CopyKey> copies) {
  std::latch finished(1);
  Result<void> outcome;
  const auto taken = ledger.note(std::move(copies), in_days(7), [&](Result<void> done) {
    outcome = std::move(done);
    finished.count_down();
  });
  if (!taken) return taken;
  finished.wait();
  return outcome;
}

bool taken(CopyLedger& ledger, const policy::CopyKey& copy) {
  const auto found = ledger.taken({&copy, 1}, current_time());
  REQUIRE(found);
  return found->front();
}

template <class Condition>
bool await(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes{1};
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds{1});
  }
  return true;
}

}  // namespace

TEST_CASE("copy ledger: what is done is in the store, and the next gate knows it") {
  const Folder folder;
  Place place(folder);
  {
    CopyLedger ledger(place.access(), {.interval = never});
    ledger.start();
    CHECK_FALSE(taken(ledger, copy(1)));
    REQUIRE(note(ledger, {copy(1), copy(2)}));
    CHECK(place.has(copy(1)));
    CHECK(taken(ledger, copy(2)));
    CHECK_FALSE(taken(ledger, copy(3)));
  }
  CopyLedger ledger(place.access());
  ledger.start();
  CHECK(taken(ledger, copy(1)));
}

TEST_CASE("copy ledger: what is settled is not taken from that moment on") {
  const Folder folder;
  Place place(folder);
  {
    CopyLedger ledger(place.access(), {.interval = never});
    ledger.start();
    REQUIRE(note(ledger, {copy(1), copy(2), copy(3)}));
    ledger.keep_until({copy(1), copy(3)}, past());
    ledger.keep_until({copy(2)}, in_days(1));
    CHECK_FALSE(taken(ledger, copy(1)));
    CHECK(taken(ledger, copy(2)));
    // The same message once more.
    REQUIRE(note(ledger, {copy(3)}));
    CHECK(taken(ledger, copy(3)));
    CHECK_FALSE(place.has(copy(1)));
    ledger.keep_until({copy(2)}, past());
  }
  CHECK_FALSE(place.has(copy(2)));
  CHECK(place.has(copy(3)));
}

TEST_CASE("copy ledger: what is settled is written soon, with no note to go along with") {
  const Folder folder;
  Place place(folder);
  CopyLedger ledger(place.access(), {.interval = milliseconds{1}});
  ledger.start();
  REQUIRE(note(ledger, {copy(1)}));
  ledger.keep_until({copy(1)}, past());
  CHECK(await([&] { return !place.has(copy(1)); }));
}

TEST_CASE("copy ledger: many threads note, each is told once, and behind its commit") {
  const Folder folder;
  Place place(folder);
  std::atomic<int> told = 0;
  std::atomic<int> wrong = 0;
  {
    CopyLedger ledger(place.access());
    ledger.start();
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        for (int n = 0; n < 50; ++n) {
          const auto one = copy(1000 * i + n);
          const bool settled = n % 2 == 0;
          const auto waits =
              ledger.note({one}, in_days(7), [&, one, settled](const Result<void>& done) {
                wrong += !done || (!settled && !place.has(one));
                ++told;
              });
          wrong += !waits;
          if (settled) ledger.keep_until({one}, past());
        }
      });
    }
    threads.clear();
    CHECK(await([&] { return told == 200; }));
  }
  CHECK(told == 200);
  CHECK(wrong == 0);
  for (int i = 0; i < 4; ++i) {
    CHECK_FALSE(place.has(copy(1000 * i)));
    CHECK(place.has(copy(1000 * i + 1)));
  }
}

TEST_CASE("copy ledger: no more waits than fits") {
  const Folder folder;
  Place place(folder);
  place.away = true;
  CopyLedger ledger(place.access(), {.copies = 3, .retry = milliseconds{1}});
  ledger.start();
  std::latch finished(1);
  REQUIRE(ledger.note({copy(1), copy(2)}, in_days(7), [&](const Result<void>& done) {
    CHECK(done);
    finished.count_down();
  }));
  const auto refused = ledger.note({copy(3), copy(4)}, in_days(7),
                                   [](const Result<void>&) { FAIL("told of what was refused"); });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::full);
  const auto asked = copy(1);
  CHECK_FALSE(ledger.taken({&asked, 1}, current_time()));
  place.away = false;
  finished.wait();
  CHECK(taken(ledger, copy(1)));
  REQUIRE(note(ledger, {copy(3), copy(4), copy(5)}));
}

TEST_CASE("copy ledger: a store that stays away fails the note, and keeps nobody from ending") {
  const Folder folder;
  Place place(folder);
  place.away = true;
  {
    CopyLedger ledger(place.access(), {.retry = milliseconds{1}, .patience = milliseconds{5}});
    ledger.start();
    CHECK_FALSE(note(ledger, {copy(1)}));
  }
  Errc code{};
  {
    CopyLedger ledger(place.access(), {.retry = milliseconds{1}, .last_tries = milliseconds{5}});
    ledger.start();
    REQUIRE(ledger.note({copy(1)}, in_days(7),
                        [&](const Result<void>& done) { code = done.error().code; }));
    ledger.keep_until({copy(2)}, past());
  }
  CHECK(code == Errc::cancelled);
  place.away = false;
  CHECK_FALSE(place.has(copy(1)));
}

TEST_CASE("copy ledger: a compaction meanwhile loses nothing that was reported") {
  const Folder folder;
  const store::Options options{.path = folder.file("store"),
                               .mode = store::Mode::create,
                               .map_size = 1ULL << 30U,
                               .providers = {}};
  cli::StoreKeeper keeper(options);
  keeper.look();
  std::atomic<bool> over = false;
  std::thread looking([&] {
    while (!over) {
      keeper.look();
      std::this_thread::sleep_for(milliseconds{1});
    }
  });
  constexpr int notes = 300;
  int failures = 0;
  {
    CopyLedger ledger([&] { return keeper.store(); }, {.retry = milliseconds{1}});
    ledger.start();
    std::thread compacting([&] {
      for (int i = 0; i < 5; ++i) {
        CHECK(await([&] {
          const auto store = keeper.store();
          return store && store->compact().has_value();
        }));
      }
    });
    for (int i = 0; i < notes; ++i) {
      failures += !note(ledger, {copy(i)});
      if (i % 3 == 0) ledger.keep_until({copy(i)}, past());
    }
    compacting.join();
    for (int i = 0; i < notes; ++i) CHECK(taken(ledger, copy(i)) == (i % 3 != 0));
  }
  over = true;
  looking.join();
  CHECK(failures == 0);
  const auto store = keeper.store();
  REQUIRE(store);
  for (int i = 0; i < notes; ++i) {
    const auto one = copy(i);
    CHECK(store->taken({&one, 1}, current_time()).value()[0] == (i % 3 != 0));
  }
}
