#include "cli/opt_out_writer.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <sys/statvfs.h>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {
namespace {

// Of a contact: whoever has its link can leave and come back as often as they like.
constexpr std::size_t most_entries = 1000;

using policy::HoldKind;
using policy::PlacedHold;

// What one fsync is shared by at most: beyond that a commit no longer gets cheaper, only later.
constexpr std::size_t most_items = 500;
// A page of the store, its copy, and what LMDB keeps of free pages, many times over.
constexpr std::uint64_t least_room = 1U << 20U;
constexpr std::chrono::seconds problem_counts{60};
// A key that was added elsewhere seals from then on at the latest; older ones go on opening.
constexpr std::chrono::seconds keys_count{1};

store::Origin said_on_the_page(std::string_view way, std::string note, std::string campaign) {
  return {.source = "web",
          .note = std::move(note),
          .by = std::string(way),
          .campaign = std::move(campaign)};
}

std::vector<PlacedHold> placed_of(const std::vector<policy::Scope>& scopes,
                                  const std::vector<store::Outcome>& outcomes) {
  std::vector<PlacedHold> placed;
  for (std::size_t i = 0; i < outcomes.size() && i < scopes.size(); ++i) {
    if (outcomes[i].placed) placed.push_back({*outcomes[i].placed, scopes[i]});
  }
  return placed;
}

Result<void> without_outcomes(const Result<std::vector<store::Outcome>>& outcomes) {
  if (!outcomes) return std::unexpected(outcomes.error());
  return {};
}

}  // namespace

OptOutWriter::OptOutWriter(std::function<std::shared_ptr<store::Store>()> store,
                           std::filesystem::path directory, Limits limits)
    : store_(std::move(store)), directory_(std::move(directory)), limits_(limits) {}

OptOutWriter::~OptOutWriter() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  arrived_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void OptOutWriter::leave(Leave leave, Done<std::vector<PlacedHold>> done) {
  std::vector<store::Change> changes;
  for (const auto& scope : leave.scopes) {
    store::PlaceHold hold;
    hold.address = leave.address;
    hold.kind = HoldKind::unsubscribed;
    hold.scope = scope;
    hold.origin = said_on_the_page(leave.way, leave.note, leave.campaign);
    changes.emplace_back(std::move(hold));
  }
  submit(std::move(changes),
         [scopes = std::move(leave.scopes), done = std::move(done)](Result<Outcomes> outcomes) {
           if (!outcomes) return done(std::unexpected(std::move(outcomes).error()));
           done(placed_of(scopes, *outcomes));
         });
}

void OptOutWriter::undo(Undo undo, Done<void> done) {
  std::vector<store::Change> changes;
  for (const auto& [id, scope] : undo.holds) {
    store::LiftHolds lift;
    lift.address = undo.address;
    lift.kinds = {HoldKind::unsubscribed};
    lift.scope = scope;
    lift.only = {id};
    lift.most_entries = most_entries;
    lift.origin = said_on_the_page("page", "undone", {});
    changes.emplace_back(std::move(lift));
  }
  submit(std::move(changes), [done = std::move(done)](const Result<Outcomes>& outcomes) {
    done(without_outcomes(outcomes));
  });
}

void OptOutWriter::come_back(ComeBack come_back, Done<void> done) {
  std::vector<store::Change> changes;
  for (const auto& scope : come_back.scopes) {
    store::LiftHolds lift;
    lift.address = come_back.address;
    lift.kinds = {HoldKind::unsubscribed, HoldKind::complained};
    lift.scope = scope;
    lift.consent = changes.empty();  // once, under the stream's present name
    lift.most_entries = most_entries;
    lift.origin = said_on_the_page("page", come_back.note, {});
    changes.emplace_back(std::move(lift));
  }
  submit(std::move(changes), [done = std::move(done)](const Result<Outcomes>& outcomes) {
    done(without_outcomes(outcomes));
  });
}

void OptOutWriter::probe(Done<void> done) {
  {
    const std::scoped_lock lock(mutex_);
    if (!problem_.empty() && Clock::now() < problem_came_ + problem_counts) {
      return done(fail(Errc::io, "an opt-out could not be written: " + problem_));
    }
  }
  if (auto enough = room(); !enough) return done(std::move(enough));
  submit({}, [done = std::move(done)](const Result<Outcomes>& outcomes) {
    done(without_outcomes(outcomes));
  });
}

Result<void> OptOutWriter::room() const {
  struct statvfs status{};
  if (::statvfs(directory_.c_str(), &status) != 0) {
    return fail(Errc::io, fmt::format("the store {}: {}", directory_.string(),
                                      std::generic_category().message(errno)));
  }
  if ((status.f_flag & ST_RDONLY) != 0) {
    return fail(Errc::io, fmt::format("the store {} lies on a file system that is mounted "
                                      "read-only",
                                      directory_.string()));
  }
  if (std::uint64_t{status.f_bavail} * status.f_frsize < least_room) {
    return fail(Errc::full, fmt::format("the disk of the store {} is full", directory_.string()));
  }
  return {};
}

Result<std::shared_ptr<const policy::LinkKeys>> OptOutWriter::link_keys() {
  const std::scoped_lock lock(keys_mutex_);
  if (keys_ && Clock::now() < keys_read_ + keys_count) return keys_;
  const auto store = store_();
  if (!store) return fail(Errc::io, "the store is away");
  auto keys = store->link_keys();
  if (!keys) return std::unexpected(keys.error());
  keys_ = std::make_shared<const policy::LinkKeys>(*std::move(keys));
  keys_read_ = Clock::now();
  return keys_;
}

void OptOutWriter::submit(std::vector<store::Change> changes,
                          std::function<void(Result<Outcomes>)> done) {
  {
    const std::scoped_lock lock(mutex_);
    if (queue_.size() < limits_.waiting) {
      queue_.push_back({std::move(changes), std::move(done), Clock::now() + limits_.patience});
      arrived_.notify_one();
      return;
    }
  }
  done(fail(Errc::full, fmt::format("{} opt-outs wait to be written: the disk does not keep up",
                                    limits_.waiting)));
}

void OptOutWriter::run() {
  while (true) {
    auto items = next();
    if (items.empty()) return;
    write(std::move(items));
  }
}

// Waits for changes and takes those that are there; none once it is over.
std::vector<OptOutWriter::Item> OptOutWriter::next() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return ending_ || !queue_.empty(); });
  std::vector<Item> items;
  while (!queue_.empty() && items.size() < most_items) {
    items.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return items;
}

void OptOutWriter::write(std::vector<Item> items) {
  std::vector<store::Change> changes;
  for (const auto& item : items) std::ranges::copy(item.changes, std::back_inserter(changes));
  bool worth_waiting = false;
  auto outcomes = commit(changes, worth_waiting);
  // The first that came has waited longest.
  while (!outcomes && worth_waiting && Clock::now() < items.front().deadline) {
    std::this_thread::sleep_for(limits_.retry);
    outcomes = commit(changes, worth_waiting);
  }
  if (!outcomes) {
    if (!changes.empty()) remember(outcomes.error().text);
    for (const auto& item : items) item.done(std::unexpected(outcomes.error()));
    return;
  }
  if (!changes.empty()) remember({});
  std::size_t at = 0;
  for (const auto& item : items) {
    Result<Outcomes> mine = Outcomes{};
    for (std::size_t i = 0; i < item.changes.size(); ++i, ++at) {
      auto& outcome = (*outcomes)[at];
      if (!outcome) mine = std::unexpected(outcome.error());
      if (mine) mine->push_back(*std::move(outcome));
    }
    item.done(std::move(mine));
  }
}

// A store that is away, or was replaced, comes back; a full disk does not while somebody waits.
Result<std::vector<Result<store::Outcome>>> OptOutWriter::commit(
    const std::vector<store::Change>& changes, bool& worth_waiting) {
  const auto store = store_();
  worth_waiting = true;
  if (!store) return fail(Errc::io, "the store is away");
  auto outcomes = store->change_each(changes, current_time());
  worth_waiting = store->must_reopen();
  return outcomes;
}

void OptOutWriter::remember(const std::string& problem) {
  const std::scoped_lock lock(mutex_);
  problem_ = problem;
  problem_came_ = Clock::now();
}

}  // namespace postern::cli
