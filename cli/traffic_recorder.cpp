#include "cli/traffic_recorder.h"

#include "base/log.h"
#include "base/time.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {
namespace {

using std::chrono::milliseconds;

// Of rows beyond their time: some at once, so that no write is kept waiting.
constexpr std::chrono::minutes pruning_interval{1};

std::size_t recipients_of(const std::vector<policy::Passages>& batch) {
  std::size_t count = 0;
  for (const auto& passages : batch) count += passages.recipients.size();
  return count;
}

}  // namespace

TrafficRecorder::TrafficRecorder(std::function<std::shared_ptr<store::Store>()> store,
                                 Limits limits)
    : store_(std::move(store)), limits_(limits), next_notice_(Clock::now() + limits.notices) {}

TrafficRecorder::~TrafficRecorder() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void TrafficRecorder::record(policy::Passages passages) {
  const std::size_t count = passages.recipients.size();
  bool half_full = false;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_ + count > limits_.recipients) {
      dropped_ += count;
      return;
    }
    const std::size_t half = limits_.recipients / 2;
    half_full = waiting_ < half && waiting_ + count >= half;
    waiting_ += count;
    queue_.push_back(std::move(passages));
  }
  // Waking somebody costs a system call; so it is for a burst of mail alone.
  if (half_full) wake_.notify_one();
}

void TrafficRecorder::run() {
  while (await_work()) {
    static_cast<void>(write());
    const auto now = Clock::now();
    if (now >= next_pruning_) {
      prune();
      next_pruning_ = now + pruning_interval;
    }
    if (now >= next_notice_) {
      notice();
      next_notice_ = now + limits_.notices;
    }
  }
  const auto end = Clock::now() + limits_.last_tries;
  while (!write() && Clock::now() < end) {
    std::this_thread::sleep_for(std::min(limits_.interval, milliseconds{100}));
  }
  notice();
}

// False at the end.
bool TrafficRecorder::await_work() {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, limits_.interval, [this] {
    return ending_ || (problem_.empty() && waiting_ >= limits_.recipients / 2);
  });
  return !ending_;
}

bool TrafficRecorder::write() {
  std::vector<policy::Passages> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(queue_);
  }
  auto done = write(batch);
  problem_ = done ? std::string() : std::move(done).error().text;
  const std::lock_guard lock(mutex_);
  if (problem_.empty()) {
    waiting_ -= recipients_of(batch);
  } else {
    std::ranges::move(queue_, std::back_inserter(batch));
    queue_ = std::move(batch);
  }
  return queue_.empty();
}

Result<void> TrafficRecorder::write(const std::vector<policy::Passages>& batch) {
  if (batch.empty()) return {};
  const auto store = store_();
  if (!store) return fail(Errc::io, "the store is away");
  return store->record(batch);
}

void TrafficRecorder::prune() {
  const auto store = store_();
  if (!store) return;
  if (const auto done = store->prune_report(current_time()); !done) {
    log::warning("report: old rows stay: " + done.error().text);
  }
}

void TrafficRecorder::notice() {
  std::size_t waiting = 0;
  std::uint64_t dropped = 0;
  {
    const std::lock_guard lock(mutex_);
    waiting = queue_.empty() ? 0 : waiting_;
    dropped = std::exchange(dropped_, 0);
  }
  if (dropped > 0) {
    log::warning(fmt::format("report: {} recipients are not recorded: {} wait already", dropped,
                             limits_.recipients));
  }
  if (waiting > 0 && !problem_.empty()) {
    log::warning(fmt::format("report: {} recipients wait to be recorded: {}", waiting, problem_));
  }
}

}  // namespace postern::cli
