#include "store/batch.h"
#include "store/impl.h"

#include <condition_variable>
#include <deque>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace postern::store {
namespace {

// What one fsync is shared by at most: beyond that a commit no longer gets cheaper, only later.
constexpr std::size_t batch_limit = 1000;

}  // namespace

struct Writer::Impl {
  struct Item {
    Change change;
    Time now;
    Done done;
  };

  Impl(Store::Impl& the_store, std::size_t the_limit)
      : store(the_store), limit(the_limit), thread([this] { run(); }) {}

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      ending = true;
    }
    arrived.notify_one();
    thread.join();
  }

  void run() {
    while (true) {
      const std::vector<Item> items = next();
      if (items.empty()) return;
      std::vector<Result<Outcome>> outcomes = write(items);
      for (std::size_t i = 0; i < items.size(); ++i) items[i].done(std::move(outcomes[i]));
    }
  }

  // Waits for changes and takes those that are there; none once it is over.
  std::vector<Item> next() {
    std::unique_lock lock(mutex);
    arrived.wait(lock, [this] { return ending || !queue.empty(); });
    std::vector<Item> items;
    while (!queue.empty() && items.size() < batch_limit) {
      items.push_back(std::move(queue.front()));
      queue.pop_front();
    }
    return items;
  }

  // An outcome for each: a change that is wrong by itself fails alone, a store that fails fails
  // them all.
  std::vector<Result<Outcome>> write(const std::vector<Item>& items) {
    const auto all_failed = [&](const Error& error) {
      return std::vector<Result<Outcome>>(items.size(), std::unexpected(error));
    };
    const std::lock_guard lock(store.write_mutex);
    auto batch = Batch::begin(*store.env, store.tables, store.hasher, store.rules);
    if (!batch) return all_failed(batch.error());
    std::vector<Result<Outcome>> outcomes;
    outcomes.reserve(items.size());
    for (const Item& item : items) {
      outcomes.push_back(batch->apply(item.change, item.now));
      const auto& outcome = outcomes.back();
      if (!outcome && outcome.error().code != Errc::invalid) return all_failed(outcome.error());
    }
    if (auto committed = batch->commit(); !committed) return all_failed(committed.error());
    return outcomes;
  }

  Store::Impl& store;
  const std::size_t limit;
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<Item> queue;
  bool ending = false;
  std::thread thread;  // last: it starts when all else is there
};

Writer::Writer(Store& store, std::size_t queue)
    : impl_(std::make_unique<Impl>(*store.impl_, queue)) {}
Writer::~Writer() = default;

Result<void> Writer::submit(Change change, Time now, Done done) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->queue.size() >= impl_->limit) {
      return fail(
          Errc::full,
          fmt::format("{} changes wait to be written: the disk does not keep up", impl_->limit));
    }
    impl_->queue.push_back({std::move(change), now, std::move(done)});
  }
  impl_->arrived.notify_one();
  return {};
}

}  // namespace postern::store
