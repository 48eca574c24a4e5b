#include "cli/source_watcher.h"

#include "cli/watched_source.h"

#include <algorithm>
#include <utility>

namespace postern::cli {
namespace {

// One that is new is waited for from now on.
std::vector<WatchedSource> adopt(const std::vector<SourceConfig>& wanted,
                                 std::vector<WatchedSource> old, Time now) {
  std::vector<WatchedSource> sources;
  for (const auto& config : wanted) {
    const auto same = std::ranges::find(old, config, &WatchedSource::config);
    sources.push_back(same != old.end() ? std::move(*same) : WatchedSource(config, now));
  }
  return sources;
}

}  // namespace

SourceWatcher::SourceWatcher(const Config& config,
                             std::function<std::shared_ptr<store::Store>()> store,
                             std::chrono::milliseconds interval)
    : store_(std::move(store)), interval_(interval) {
  reload(config);
  thread_ = std::thread([this] { run(); });
}

SourceWatcher::~SourceWatcher() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SourceWatcher::reload(const Config& config) {
  auto plan = std::make_shared<const Plan>(config.sources, policy::Streams(config.streams));
  const std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
}

std::shared_ptr<const SourceWatcher::Plan> SourceWatcher::await_look() {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, interval_, [this] { return ending_; });
  return ending_ ? nullptr : plan_;
}

bool SourceWatcher::ending() {
  const std::lock_guard lock(mutex_);
  return ending_;
}

void SourceWatcher::run() {
  std::shared_ptr<const Plan> adopted;
  std::vector<WatchedSource> sources;
  while (const auto plan = await_look()) {
    if (plan != adopted) {
      sources = adopt(plan->sources, std::move(sources), current_time());
      adopted = plan;
    }
    const auto store = store_();
    if (!store) continue;
    const auto over = [&] { return ending(); };
    const auto replaced = [&] { return store_() != store; };
    for (auto& source : sources) {
      if (over() || replaced()) break;
      source.look({*store, plan->streams, current_time(), over, replaced});
    }
  }
}

}  // namespace postern::cli
