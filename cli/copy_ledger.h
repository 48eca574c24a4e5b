// The gate's ledger of copies (policy/ledger.h), kept in the store: written by a thread of its own,
// group commit: what comes while a commit runs shares the next one. Where the store was compacted,
// or is being opened anew, what waits is written to the one that is there then; a success is
// reported for nothing else.
#pragma once

#include "policy/ledger.h"
#include "store/store.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace postern::cli {

class CopyLedger final : public policy::Ledger {
 public:
  struct Limits {
    std::size_t copies = 100'000;  // that wait in note(); as many more in keep_until()
    std::chrono::milliseconds interval{
        std::chrono::seconds{1}};  // keep_until() alone waits so long
    std::chrono::milliseconds retry{100};
    // From its first failure on, how long a note waits for a store that is away or was replaced.
    std::chrono::milliseconds patience{std::chrono::seconds{10}};
    std::chrono::milliseconds last_tries{std::chrono::seconds{3}};  // at the end
  };
  // `store` is asked before each reading and writing, on any thread; nothing is kept of what it
  // gave. Null: the store is away.
  explicit CopyLedger(std::function<std::shared_ptr<store::Store>()> store)
      : CopyLedger(std::move(store), Limits{}) {}
  CopyLedger(std::function<std::shared_ptr<store::Store>()> store, Limits limits);
  // Writes what waits, within `last_tries`; what could not be written fails (Errc::cancelled).
  ~CopyLedger() override;
  CopyLedger(const CopyLedger&) = delete;
  CopyLedger& operator=(const CopyLedger&) = delete;

  // Its thread; what comes before waits.
  void start() {
    thread_ = std::thread([this] { run(); });
  }

  [[nodiscard]] bool begin(std::span<const policy::CopyKey> copies) override;
  void end(std::span<const policy::CopyKey> copies) override;
  [[nodiscard]] Result<std::vector<bool>> taken(std::span<const policy::CopyKey> copies,
                                                Time now) override;
  [[nodiscard]] Result<void> note(std::vector<policy::CopyKey> copies, Time until,
                                  std::function<void(Result<void>)> done) override;
  void keep_until(std::vector<policy::CopyKey> copies, Time until) override;
  [[nodiscard]] Time last_until(Time now) override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Item {
    std::vector<policy::CopyKey> copies;
    Time until{};
    std::function<void(Result<void>)> done;  // empty: of keep_until()
    std::uint64_t number = 0;
    std::optional<Clock::time_point> give_up;  // known from its first failure on
  };
  // What keep_until() said, as long as the store does not say it.
  struct Said {
    Time until{};
    std::uint64_t number = 0;  // of the item that says it
  };

  void run();
  [[nodiscard]] bool await_work();
  [[nodiscard]] std::deque<Item> take();
  void put_back(std::deque<Item> batch);
  // Once, all that waits. False where it failed.
  bool write();
  [[nodiscard]] Result<void> write(const std::deque<Item>& batch, bool& again);
  void finish(std::deque<Item>& batch, const Result<void>& outcome);
  // Takes out of `batch` the notes that are not tried again.
  [[nodiscard]] std::deque<Item> failed(std::deque<Item>& batch, bool again);
  void notice();

  const std::function<std::shared_ptr<store::Store>()> store_;
  const Limits limits_;

  std::mutex mutex_;  // guards what follows; held for moments only
  std::condition_variable wake_;
  std::deque<Item> queue_;
  std::map<policy::CopyKey, Said> said_;
  std::map<policy::CopyKey, std::uint64_t> unwritten_;  // of note(): the number of the last item
  std::set<policy::CopyKey> under_way_;
  std::size_t noted_ = 0;  // copies of note() that wait or are being written
  std::size_t kept_ = 0;   // the same of keep_until()
  std::uint64_t last_number_ = 0;
  std::uint64_t dropped_ = 0;  // copies of keep_until() that did not fit, since the last notice
  bool ending_ = false;

  // The thread's own.
  bool retrying_ = false;
  std::thread thread_;
};

}  // namespace postern::cli
