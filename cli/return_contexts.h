// The contexts of return addresses on their way to the store: queued, and written by a thread of
// its own, as many in one commit as wait (group commit). What is on record is remembered, for as
// long as it is the same store: a day's first message of a stream and sender waits for a commit, no
// other does.
#pragma once

#include "policy/return_contexts.h"
#include "store/store.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace postern::cli {

class ReturnContexts final : public policy::ReturnContexts {
 public:
  struct Limits {
    std::size_t waiting = 10'000;      // requests; more are refused
    std::size_t remembered = 100'000;  // contexts; beyond them everything is forgotten once
    std::chrono::milliseconds patience{std::chrono::seconds{8}};  // for a store that is away
    std::chrono::milliseconds retry{50};
  };
  using StoreSource = std::function<std::shared_ptr<store::Store>()>;
  using KeySource = std::function<std::shared_ptr<const policy::LinkKeys>()>;
  // Both are asked on any thread; null: the store is away.
  ReturnContexts(StoreSource store, KeySource keys)
      : ReturnContexts(std::move(store), std::move(keys), Limits{}) {}
  ReturnContexts(StoreSource store, KeySource keys, Limits limits);
  // What waits is written, or refused within `patience`.
  ~ReturnContexts() override;
  ReturnContexts(const ReturnContexts&) = delete;
  ReturnContexts& operator=(const ReturnContexts&) = delete;

  // Its thread; what comes before waits.
  void start() {
    thread_ = std::thread([this] { run(); });
  }

  [[nodiscard]] std::shared_ptr<const policy::ReturnTokens> tokens() override;
  [[nodiscard]] bool on_record(const Entry& entry) override;
  void keep(std::vector<Entry> entries, std::function<void(Result<void>)> done) override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Item {
    std::vector<Entry> entries;
    std::function<void(Result<void>)> done;
    Clock::time_point deadline{};
  };

  void run();
  [[nodiscard]] std::vector<Item> next();
  void write(const std::vector<Item>& items);
  [[nodiscard]] Result<void> commit(const std::vector<Entry>& entries, bool& worth_waiting);
  void remember(const std::shared_ptr<store::Store>& store, const std::vector<Entry>& entries);

  const StoreSource store_;
  const KeySource keys_;
  const Limits limits_;

  std::mutex mutex_;  // guards the queue
  std::condition_variable arrived_;
  std::deque<Item> queue_;
  bool ending_ = false;

  std::mutex known_mutex_;  // guards what follows
  std::weak_ptr<store::Store> known_by_;
  std::unordered_map<std::uint64_t, std::uint32_t> known_;  // hash -> on record until that day
  std::shared_ptr<const policy::LinkKeys> made_from_;
  std::shared_ptr<const policy::ReturnTokens> tokens_;
  std::thread thread_;
};

}  // namespace postern::cli
