// What the unsubscribe page asks for, on its way to the store: queued, and written by a thread of
// its own, as many changes in one commit as wait (group commit). A store that is away, or that a
// compaction replaced meanwhile, is waited for within a deadline; then the page is told that
// nothing was done.
#pragma once

#include "policy/opt_outs.h"
#include "store/store.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace postern::cli {

class OptOutWriter final : public policy::OptOuts {
 public:
  struct Limits {
    std::size_t waiting = 10'000;                                 // requests; more are refused
    std::chrono::milliseconds patience{std::chrono::seconds{8}};  // for a store that is away
    std::chrono::milliseconds retry{50};
  };
  // `store` is asked before each commit, on the writer's thread, and for keys on the caller's;
  // null: the store is away. `directory` is where it lies: whether there is room is asked of it.
  OptOutWriter(std::function<std::shared_ptr<store::Store>()> store,
               std::filesystem::path directory)
      : OptOutWriter(std::move(store), std::move(directory), Limits{}) {}
  OptOutWriter(std::function<std::shared_ptr<store::Store>()> store,
               std::filesystem::path directory, Limits limits);
  // What waits is written, or refused within `patience`.
  ~OptOutWriter() override;
  OptOutWriter(const OptOutWriter&) = delete;
  OptOutWriter& operator=(const OptOutWriter&) = delete;

  // Its thread; what comes before waits.
  void start() {
    thread_ = std::thread([this] { run(); });
  }

  void leave(Leave leave, Done<std::vector<policy::PlacedHold>> done) override;
  void undo(Undo undo, Done<void> done) override;
  void come_back(ComeBack come_back, Done<void> done) override;
  // An error names the reason: the store is away, its disk is full or read-only, or the last change
  // of the last minute could not be written.
  void probe(Done<void> done) override;
  [[nodiscard]] Result<std::shared_ptr<const policy::LinkKeys>> link_keys() override;

 private:
  using Clock = std::chrono::steady_clock;
  using Outcomes = std::vector<store::Outcome>;
  struct Item {
    std::vector<store::Change> changes;
    std::function<void(Result<Outcomes>)> done;
    Clock::time_point deadline{};
  };

  void submit(std::vector<store::Change> changes, std::function<void(Result<Outcomes>)> done);
  void run();
  [[nodiscard]] std::vector<Item> next();
  void write(std::vector<Item> items);
  [[nodiscard]] Result<std::vector<Result<store::Outcome>>> commit(
      const std::vector<store::Change>& changes, bool& worth_waiting);
  void remember(const std::string& problem);
  [[nodiscard]] Result<void> room() const;

  const std::function<std::shared_ptr<store::Store>()> store_;
  const std::filesystem::path directory_;
  const Limits limits_;

  std::mutex mutex_;  // guards the queue and the problem
  std::condition_variable arrived_;
  std::deque<Item> queue_;
  bool ending_ = false;
  std::string problem_;  // of the last change that could not be written
  Clock::time_point problem_came_{};

  std::mutex keys_mutex_;
  std::shared_ptr<const policy::LinkKeys> keys_;
  Clock::time_point keys_read_{};
  std::thread thread_;
};

}  // namespace postern::cli
