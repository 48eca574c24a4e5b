// What the gate's threads tell of recipients, on its way to the store: queued in memory, written
// about once a second by a thread of its own, so that no message waits for the store. A store that
// is away is waited for, as long as the queue has room; what does not fit is dropped and counted
// (DESIGN.md 9).
#pragma once

#include "policy/traffic.h"
#include "store/store.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace postern::cli {

class TrafficRecorder final : public policy::TrafficLog {
 public:
  struct Limits {
    std::size_t recipients = 400'000;  // that wait; half of them are not kept waiting
    std::chrono::milliseconds interval{std::chrono::seconds{1}};    // between writes
    std::chrono::milliseconds notices{std::chrono::minutes{1}};     // of what is not written
    std::chrono::milliseconds last_tries{std::chrono::seconds{3}};  // at the end
  };
  // `store` is asked before each write, on the recorder's thread; nothing is kept of what it gave.
  // Null: the store is away.
  explicit TrafficRecorder(std::function<std::shared_ptr<store::Store>()> store)
      : TrafficRecorder(std::move(store), Limits{}) {}
  TrafficRecorder(std::function<std::shared_ptr<store::Store>()> store, Limits limits);
  // Writes what waits, within `last_tries`; what it could not write it says.
  ~TrafficRecorder() override;
  TrafficRecorder(const TrafficRecorder&) = delete;
  TrafficRecorder& operator=(const TrafficRecorder&) = delete;

  // Its thread; what comes before waits.
  void start() {
    thread_ = std::thread([this] { run(); });
  }

  void record(policy::Passages passages) override;

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  [[nodiscard]] bool await_work();
  // False where something is left: the store is away, or did not take it.
  [[nodiscard]] bool write();
  [[nodiscard]] Result<void> write(const std::vector<policy::Passages>& batch);
  void prune();
  void notice();

  const std::function<std::shared_ptr<store::Store>()> store_;
  const Limits limits_;

  std::mutex mutex_;  // guards what follows; held for a push or a swap
  std::condition_variable wake_;
  std::vector<policy::Passages> queue_;
  std::size_t waiting_ = 0;    // recipients in the queue and in the batch that is being written
  std::uint64_t dropped_ = 0;  // recipients, since the last notice
  bool ending_ = false;

  // The thread's own.
  std::string problem_;  // of the last write; empty: it was done
  Clock::time_point next_notice_{};
  Clock::time_point next_pruning_{};
  std::thread thread_;
};

}  // namespace postern::cli
