#include "cli/return_contexts.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {
namespace {

// What one fsync is shared by at most: beyond that a commit no longer gets cheaper, only later.
constexpr std::size_t most_items = 500;

}  // namespace

ReturnContexts::ReturnContexts(StoreSource store, KeySource keys, Limits limits)
    : store_(std::move(store)), keys_(std::move(keys)), limits_(limits) {}

ReturnContexts::~ReturnContexts() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  arrived_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<const policy::ReturnTokens> ReturnContexts::tokens() {
  auto keys = keys_();
  if (!keys) return nullptr;
  const std::scoped_lock lock(known_mutex_);
  if (keys != made_from_) {
    tokens_ = std::make_shared<const policy::ReturnTokens>(*keys);
    made_from_ = std::move(keys);
  }
  return tokens_;
}

// Another store, a restored backup for one, may lack what this one had.
bool ReturnContexts::on_record(const Entry& entry) {
  const auto store = store_();
  const std::scoped_lock lock(known_mutex_);
  if (!store || known_by_.lock() != store) return false;
  const auto found = known_.find(entry.hash);
  return found != known_.end() && found->second >= entry.until;
}

void ReturnContexts::keep(std::vector<Entry> entries, std::function<void(Result<void>)> done) {
  {
    const std::scoped_lock lock(mutex_);
    if (queue_.size() < limits_.waiting) {
      queue_.push_back({std::move(entries), std::move(done), Clock::now() + limits_.patience});
      arrived_.notify_one();
      return;
    }
  }
  done(fail(Errc::full,
            fmt::format("{} messages wait for their return addresses: the disk does not keep up",
                        limits_.waiting)));
}

void ReturnContexts::run() {
  while (true) {
    const auto items = next();
    if (items.empty()) return;
    write(items);
  }
}

// Waits for contexts and takes those that are there; none once it is over.
std::vector<ReturnContexts::Item> ReturnContexts::next() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return ending_ || !queue_.empty(); });
  std::vector<Item> items;
  while (!queue_.empty() && items.size() < most_items) {
    items.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return items;
}

void ReturnContexts::write(const std::vector<Item>& items) {
  std::vector<Entry> entries;
  for (const auto& item : items) std::ranges::copy(item.entries, std::back_inserter(entries));
  bool worth_waiting = false;
  auto written = commit(entries, worth_waiting);
  // The first that came has waited longest.
  while (!written && worth_waiting && Clock::now() < items.front().deadline) {
    std::this_thread::sleep_for(limits_.retry);
    written = commit(entries, worth_waiting);
  }
  for (const auto& item : items) item.done(written);
}

// A store that is away, or was replaced, comes back; a full disk does not while somebody waits.
Result<void> ReturnContexts::commit(const std::vector<Entry>& entries, bool& worth_waiting) {
  const auto store = store_();
  worth_waiting = true;
  if (!store) return fail(Errc::io, "the store is away");
  auto written = store->keep_contexts(entries, current_time());
  worth_waiting = store->must_reopen();
  if (written) remember(store, entries);
  return written;
}

void ReturnContexts::remember(const std::shared_ptr<store::Store>& store,
                              const std::vector<Entry>& entries) {
  const std::scoped_lock lock(known_mutex_);
  if (known_by_.lock() != store || known_.size() + entries.size() > limits_.remembered) {
    known_.clear();
    known_by_ = store;
  }
  for (const Entry& entry : entries) {
    auto& until = known_[entry.hash];
    until = std::max(until, entry.until);
  }
}

}  // namespace postern::cli
