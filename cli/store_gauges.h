// How large the store is and who is in it, for the metrics. Contacts are counted on a thread of its
// own, when somebody asks and the last count is old: that reads every contact.
#pragma once

#include "base/metrics.h"
#include "store/store.h"

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace postern::cli {

class StoreGauges {
 public:
  // `store` is null while it is away. The registry's scrapes must be over when this dies.
  StoreGauges(metrics::Registry& registry, std::function<std::shared_ptr<store::Store>()> store,
              std::filesystem::path directory);
  ~StoreGauges();
  StoreGauges(const StoreGauges&) = delete;
  StoreGauges& operator=(const StoreGauges&) = delete;

  // Its thread; what comes before waits.
  void start() {
    thread_ = std::thread([this] { run(); });
  }

 private:
  void refresh();
  void run();
  void count();

  metrics::Registry& registry_;
  const std::function<std::shared_ptr<store::Store>()> store_;
  const std::filesystem::path directory_;
  metrics::Gauge& bytes_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool wanted_ = false;
  bool ending_ = false;
  std::chrono::steady_clock::time_point next_count_{};  // the thread's, under mutex_
  std::thread thread_;
};

}  // namespace postern::cli
