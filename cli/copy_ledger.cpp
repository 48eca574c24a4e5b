#include "cli/copy_ledger.h"

#include "base/log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {
CopyLedger::CopyLedger(std::function<std::shared_ptr<store::Store>()> store, Limits limits)
    : store_(std::move(store)), limits_(limits) {}

CopyLedger::~CopyLedger() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool CopyLedger::begin(std::span<const policy::CopyKey> copies) {
  const std::lock_guard lock(mutex_);
  if (std::ranges::any_of(copies, [&](const auto& copy) { return under_way_.contains(copy); })) {
    return false;
  }
  under_way_.insert(copies.begin(), copies.end());
  return true;
}

void CopyLedger::end(std::span<const policy::CopyKey> copies) {
  const std::lock_guard lock(mutex_);
  for (const auto& copy : copies) under_way_.erase(copy);
}

// What was said first, then the store: whatever is no longer in the one is in the other by then.
// A store that was replaced a moment ago has all that was noted until then: what is noted since is
// noted where store_() has the new one.
Result<std::vector<bool>> CopyLedger::taken(std::span<const policy::CopyKey> copies, Time now) {
  std::vector<bool> gone(copies.size());
  std::vector<bool> waits(copies.size());
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < copies.size(); ++i) {
      const auto said = said_.find(copies[i]);
      const auto note = unwritten_.find(copies[i]);
      const bool over = said != said_.end() && said->second.until <= now;
      waits[i] = note != unwritten_.end() && (!over || note->second > said->second.number);
      gone[i] = over && !waits[i];
    }
  }
  const auto store = store_();
  if (!store) return fail(Errc::io, "the store is away");
  auto taken = store->taken(copies, now);
  if (!taken) return taken;
  for (std::size_t i = 0; i < copies.size(); ++i)
    (*taken)[i] = waits[i] || ((*taken)[i] && !gone[i]);
  return taken;
}

Result<void> CopyLedger::note(std::vector<policy::CopyKey> copies, Time until,
                              std::function<void(Result<void>)> done) {
  {
    const std::lock_guard lock(mutex_);
    if (noted_ + copies.size() > limits_.copies) {
      return fail(Errc::full,
                  fmt::format("{} copies wait to be noted: the disk does not keep up", noted_));
    }
    noted_ += copies.size();
    for (const auto& copy : copies) unwritten_[copy] = last_number_ + 1;
    queue_.push_back({.copies = std::move(copies),
                      .until = until,
                      .done = std::move(done),
                      .number = ++last_number_,
                      .give_up = {}});
  }
  wake_.notify_one();
  return {};
}

void CopyLedger::keep_until(std::vector<policy::CopyKey> copies, Time until) {
  const std::lock_guard lock(mutex_);
  if (kept_ + copies.size() > limits_.copies) {
    dropped_ += copies.size();
    return;
  }
  kept_ += copies.size();
  const std::uint64_t number = ++last_number_;
  for (const auto& copy : copies) said_[copy] = {until, number};
  queue_.push_back(
      {.copies = std::move(copies), .until = until, .done = {}, .number = number, .give_up = {}});
}

// A store that is away may have anything.
Time CopyLedger::last_until(Time now) {
  const auto store = store_();
  if (!store) return now + policy::longest_on_record;
  const auto last = store->last_copy_until();
  if (last) return *last;
  log::warning(fmt::format("ledger: it cannot be read: {}", last.error().text));
  return now + policy::longest_on_record;
}

void CopyLedger::run() {
  while (await_work()) {
    retrying_ = !write();
    notice();
  }
  const auto end = Clock::now() + limits_.last_tries;
  while (!write() && Clock::now() < end) std::this_thread::sleep_for(limits_.retry);
  auto rest = take();
  finish(rest, fail(Errc::cancelled, "the gate ends, and the store takes no more"));
  notice();
}

// False at the end.
bool CopyLedger::await_work() {
  std::unique_lock lock(mutex_);
  if (retrying_) {
    wake_.wait_for(lock, limits_.retry, [this] { return ending_; });
  } else {
    wake_.wait_for(lock, limits_.interval, [this] { return ending_ || noted_ > 0; });
  }
  return !ending_;
}

std::deque<CopyLedger::Item> CopyLedger::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(queue_, {});
}

void CopyLedger::put_back(std::deque<Item> batch) {
  const std::lock_guard lock(mutex_);
  std::ranges::move(queue_, std::back_inserter(batch));
  queue_ = std::move(batch);
}

bool CopyLedger::write() {
  auto batch = take();
  if (batch.empty()) return true;
  bool again = false;
  const auto outcome = write(batch, again);
  if (outcome) {
    finish(batch, outcome);
    return true;
  }
  auto given_up = failed(batch, again);
  put_back(std::move(batch));
  finish(given_up, outcome);
  return false;
}

Result<void> CopyLedger::write(const std::deque<Item>& batch, bool& again) {
  const auto store = store_();
  again = !store;
  if (!store) return fail(Errc::io, "the store is away");
  std::vector<store::Store::CopyChange> changes;
  for (const Item& item : batch) {
    for (const auto& copy : item.copies) {
      changes.push_back({.copy = copy, .until = item.until, .taken = item.done != nullptr});
    }
  }
  auto done = store->keep_copies(changes, current_time());
  // In a file that is no longer the store's nothing was written; to write it twice does no harm.
  again = !done && store->must_reopen();
  return done;
}

void CopyLedger::finish(std::deque<Item>& batch, const Result<void>& outcome) {
  {
    const std::lock_guard lock(mutex_);
    for (const Item& item : batch) {
      (item.done ? noted_ : kept_) -= item.copies.size();
      for (const auto& copy : item.copies) {
        if (item.done) {
          const auto note = unwritten_.find(copy);
          if (note != unwritten_.end() && note->second == item.number) unwritten_.erase(note);
          continue;
        }
        const auto said = said_.find(copy);
        if (said != said_.end() && said->second.number == item.number) said_.erase(said);
      }
      if (!outcome && !item.done) dropped_ += item.copies.size();
    }
  }
  for (Item& item : batch) {
    if (item.done) item.done(outcome);
  }
}

// What keep_until() said is tried for as long as there is room: taken() goes by it meanwhile.
std::deque<CopyLedger::Item> CopyLedger::failed(std::deque<Item>& batch, bool again) {
  const auto now = Clock::now();
  std::deque<Item> over;
  std::deque<Item> rest;
  for (Item& item : batch) {
    if (!item.give_up) item.give_up = now + limits_.patience;
    const bool is_over = item.done && (!again || *item.give_up <= now);
    (is_over ? over : rest).push_back(std::move(item));
  }
  batch = std::move(rest);
  return over;
}

void CopyLedger::notice() {
  std::uint64_t dropped = 0;
  {
    const std::lock_guard lock(mutex_);
    dropped = std::exchange(dropped_, 0);
  }
  if (dropped == 0) return;
  log::warning(
      fmt::format("ledger: {} copies stay on record for longer than they should: the store does "
                  "not take that they are settled; the same message may be held back until then",
                  dropped));
}

}  // namespace postern::cli
