#include "cli/traffic_recorder.h"

#include "program.h"
#include "store/traffic.h"

#include <atomic>
#include <chrono>
#include <thread>

using namespace postern;
using postern::cli::TrafficRecorder;
using std::chrono::milliseconds;

namespace {

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
  [[nodiscard]] std::uint64_t recorded() const {
    const auto report = store_->report({});
    REQUIRE(report);
    std::uint64_t all = 0;
    for (const auto& total : report->totals) all += total.of(store::TrafficResult::passed);
    return all;
  }
  [[nodiscard]] bool await(std::uint64_t recipients) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes{1};
    while (recorded() != recipients) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(milliseconds{1});
    }
    return true;
  }

  std::atomic<bool> away = false;

 private:
  std::shared_ptr<store::Store> store_;
};

policy::Passages passages(int recipients) {
  policy::Passages made{.stream = "news",
                        .campaign = {},
                        .sender = "news@example.org",
                        .time = current_time(),
                        .recipients = {}};
  for (int i = 1; i <= recipients; ++i) {
    made.recipients.push_back({{static_cast<std::uint8_t>(i)}, policy::Reason::none});
  }
  return made;
}

constexpr milliseconds never = std::chrono::hours{1};

}  // namespace

TEST_CASE("traffic recorder: many threads tell, and what waits at the end is written") {
  const Folder folder;
  Place place(folder);
  {
    TrafficRecorder recorder(place.access(), {.interval = never});
    recorder.start();
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int message = 0; message < 100; ++message) recorder.record(passages(3));
      });
    }
    threads.clear();
    CHECK(place.recorded() == 0);
  }
  CHECK(place.recorded() == 1200);
}

TEST_CASE("traffic recorder: what is told is written soon") {
  const Folder folder;
  Place place(folder);
  TrafficRecorder recorder(place.access(), {.interval = milliseconds{1}});
  recorder.start();
  recorder.record(passages(3));
  CHECK(place.await(3));
  recorder.record(passages(2));
  CHECK(place.await(5));
}

TEST_CASE("traffic recorder: a queue that is half full is not kept waiting") {
  const Folder folder;
  Place place(folder);
  TrafficRecorder recorder(place.access(), {.recipients = 10, .interval = never});
  recorder.start();
  recorder.record(passages(4));
  recorder.record(passages(2));
  CHECK(place.await(6));
  recorder.record(passages(10));
  CHECK(place.await(16));
}

TEST_CASE("traffic recorder: a store that is away is waited for, and no more is kept than fits") {
  const Folder folder;
  Place place(folder);
  place.away = true;
  TrafficRecorder recorder(place.access(), {.recipients = 10, .interval = milliseconds{1}});
  recorder.start();
  for (int i = 0; i < 4; ++i) recorder.record(passages(3));
  recorder.record(passages(1));
  CHECK(place.recorded() == 0);
  place.away = false;
  CHECK(place.await(10));
  recorder.record(passages(7));
  CHECK(place.await(17));
}

TEST_CASE("traffic recorder: a store that stays away does not keep the gate from ending") {
  const Folder folder;
  Place place(folder);
  place.away = true;
  {
    TrafficRecorder recorder(place.access(),
                             {.interval = milliseconds{1}, .last_tries = milliseconds{5}});
    recorder.start();
    recorder.record(passages(3));
  }
  CHECK(place.recorded() == 0);
}
