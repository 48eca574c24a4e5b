#include "fixture.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <semaphore>
#include <set>
#include <thread>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;
using policy::HoldKind;

TEST_CASE("many threads submit, others read: every acknowledged change is there after a reopen") {
  const TemporaryDirectory directory;
  constexpr int threads = 6;
  constexpr int each = 150;
  std::mutex mutex;
  std::set<std::string> acknowledged;
  std::atomic<int> failed = 0;
  {
    const auto store = open(directory.path());
    Writer writer(*store);
    std::vector<std::jthread> running;
    for (int thread = 0; thread < threads; ++thread) {
      running.emplace_back([&, thread] {
        auto reader = store->reader();
        policy::Findings findings;
        for (int i = 0; i < each; ++i) {
          std::string address = std::to_string(thread) + "-" + std::to_string(i) + "@example.com";
          const auto canonical = policy::parse_contact(address, false);
          PlaceHold change{.address = *canonical,
                           .kind = HoldKind::unsubscribed,
                           .scope = marketing(),
                           .date = {},
                           .until = {},
                           .known_as = {},
                           .except = {},
                           .origin = {"test", "note", "test"}};
          auto submitted = writer.submit(std::move(change), day(i), [&, address](auto outcome) {
            const std::lock_guard lock(mutex);
            if (outcome && outcome->kind == Outcome::Kind::changed) {
              acknowledged.insert(address);
            } else {
              ++failed;
            }
          });
          if (!submitted || !reader || !(*reader)->find(*canonical, findings)) ++failed;
        }
      });
    }
    running.clear();
  }
  CHECK(failed == 0);
  CHECK(acknowledged.size() == threads * each);
  const auto store = open(directory.path(), Mode::read_write);
  CHECK(store->stats(day(0))->contacts == acknowledged.size());
  for (const auto& address : acknowledged) {
    CHECK(store->contact(contact(address))->holds.size() == 1);
  }
}

TEST_CASE("a reader sees a change as soon as it is acknowledged") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto reader = store->reader();
  REQUIRE(reader);
  Writer writer(*store);
  for (int i = 0; i < 20; ++i) {
    const std::string address = std::to_string(i) + "@example.com";
    std::binary_semaphore done(0);
    REQUIRE(writer.submit(hold(address), day(0), [&](const auto&) { done.release(); }));
    done.acquire();
    policy::Findings findings;
    REQUIRE((*reader)->find(contact(address), findings));
    CHECK(findings.size == 1);
  }
}

TEST_CASE(
    "a change that is wrong fails alone; a queue that is full says so; what waits is finished") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  std::binary_semaphore entered(0);
  std::binary_semaphore go(0);
  std::vector<std::string> results;  // of the writer's thread, read after its end
  {
    Writer writer(*store, 3);
    const auto note = [&](auto outcome) {
      results.push_back(outcome ? "done" : outcome.error().text);
    };
    REQUIRE(writer.submit(hold("first@example.com"), day(0), [&](const auto&) {
      entered.release();
      go.acquire();
    }));
    entered.acquire();  // the writer is busy now
    PlaceHold wrong = hold("x@example.com");
    wrong.address.text = "nonsense";
    CHECK(writer.submit(hold("a@example.com"), day(0), note));
    CHECK(writer.submit(wrong, day(0), note));
    CHECK(writer.submit(hold("b@example.com"), day(0), note));
    auto refused = writer.submit(hold("c@example.com"), day(0), note);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::full);
    go.release();
  }
  REQUIRE(results.size() == 3);
  CHECK(results[0] == "done");
  CHECK(results[1] == "not an address: nonsense");
  CHECK(results[2] == "done");
  CHECK(store->stats(day(0))->contacts == 3);
}

TEST_CASE("a batch that cannot be committed fails whole, and the next one has its chance") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path(), Mode::create, 256UL * 1024);
  std::size_t acknowledged = 0;
  std::vector<Errc> errors;
  {
    Writer writer(*store);
    for (int i = 0; i < 3000; ++i) {
      REQUIRE(writer.submit(hold(std::to_string(i) + "@example.com"), day(0), [&](auto outcome) {
        if (outcome) ++acknowledged;
        if (!outcome) errors.push_back(outcome.error().code);
      }));
    }
  }
  CHECK(acknowledged + errors.size() == 3000);
  CHECK_FALSE(errors.empty());
  for (const Errc code : errors) CHECK(code == Errc::full);
  CHECK(store->stats(day(0))->contacts == acknowledged);
}
