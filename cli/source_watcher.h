// Watches the folders of every [[source]] while the gate serves, on a thread of its own: looks into
// each of them every two seconds. A store that is away is waited for.
#pragma once

#include "base/config.h"
#include "base/time.h"
#include "policy/stream.h"
#include "store/store.h"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace postern::cli {

class SourceWatcher {
 public:
  static constexpr std::chrono::milliseconds between_looks{2'000};

  // `store` is asked before each look, on the watcher's thread; null: it is away. An import into a
  // store that is not the one it gives any more is given up, and made again.
  SourceWatcher(const Config& config, std::function<std::shared_ptr<store::Store>()> store,
                std::chrono::milliseconds interval = between_looks);
  // An import under way is broken off at its next chunk, well within a second; the next gate goes
  // on with it.
  ~SourceWatcher();
  SourceWatcher(const SourceWatcher&) = delete;
  SourceWatcher& operator=(const SourceWatcher&) = delete;

  // From the next look on. What it knows of a source that stays as it was it keeps.
  void reload(const Config& config);

 private:
  struct Plan {
    std::vector<SourceConfig> sources;
    policy::Streams streams;
  };
  void run();
  // Null at the end.
  [[nodiscard]] std::shared_ptr<const Plan> await_look();
  [[nodiscard]] bool ending();

  const std::function<std::shared_ptr<store::Store>()> store_;
  const std::chrono::milliseconds interval_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::shared_ptr<const Plan> plan_;
  bool ending_ = false;

  std::thread thread_;  // the last member: it starts when all else is there
};

}  // namespace postern::cli
