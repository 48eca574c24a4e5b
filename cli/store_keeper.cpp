#include "cli/store_keeper.h"

#include "base/log.h"

#include <sys/stat.h>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {

namespace {
constexpr std::uint32_t looks_between_clearings = 60;
}

// Follows the keeper: a lookup costs one atomic load more than the store's own.
class StoreKeeper::Reader final : public policy::ContactReader {
 public:
  explicit Reader(StoreKeeper& keeper) : keeper_(keeper) { renew(); }

  Result<void> find(const policy::CanonicalAddress& address, policy::Findings& findings) override {
    follow();
    if (!reader_) return fail(Errc::io, problem_);
    return reader_->find(address, findings);
  }

  Result<std::string> note(const policy::EventId& event) override {
    follow();
    if (!reader_) return fail(Errc::io, problem_);
    return reader_->note(event);
  }

  Result<policy::ContactRef> ref(const policy::CanonicalAddress& address) override {
    follow();
    if (!reader_) return fail(Errc::io, problem_);
    return reader_->ref(address);
  }

  // A reader that could not be had (every slot taken) is asked for again.
  void refresh() override {
    follow();
    if (reader_) reader_->refresh();
    if (store_ && !reader_) renew();
  }

 private:
  void follow() {
    if (keeper_.generation_.load(std::memory_order_acquire) != generation_) renew();
  }

  void renew() {
    // Of the old store until there is one of the new: a compaction counts on somebody who answers
    // to be seen in the one or the other.
    const auto old_store = std::move(store_);
    const auto old_reader = std::move(reader_);
    const std::scoped_lock lock(keeper_.mutex_);
    generation_ = keeper_.generation_.load(std::memory_order_relaxed);
    store_ = keeper_.store_;
    problem_ = keeper_.problem_;
    if (!store_) return;
    auto reader = store_->reader();
    if (!reader) {
      problem_ = std::move(reader).error().text;
      return;
    }
    // A compaction waits for the readers that the old file has, and then lets others write to the
    // new one: who comes to the old one later must not answer from it.
    if (keeper_.data_file() == keeper_.opened_) {
      reader_ = *std::move(reader);
    } else {
      problem_ = "the store was replaced, and is being opened anew";
    }
  }

  StoreKeeper& keeper_;
  std::uint64_t generation_ = 0;
  std::shared_ptr<store::Store> store_;
  std::unique_ptr<policy::ContactReader> reader_;  // of store_: dies first
  std::string problem_;
};

StoreKeeper::StoreKeeper(store::Options options)
    : options_(std::move(options)),
      nightly_({"/proc/self/exe", "compact", "--if-owed", "--store", options_.path.string()},
               [this] {
                 const auto held = store();
                 if (!held) return false;
                 const auto owed = held->owes_compaction();
                 return owed && owed->has_value();
               }) {}

std::unique_ptr<policy::ContactReader> StoreKeeper::reader() {
  return std::make_unique<Reader>(*this);
}

std::shared_ptr<store::Store> StoreKeeper::store() {
  const std::scoped_lock lock(mutex_);
  return store_;
}

std::optional<StoreKeeper::File> StoreKeeper::data_file() const {
  struct stat status{};
  if (::stat((options_.path / "data.mdb").c_str(), &status) != 0) return std::nullopt;
  return File{status.st_dev, status.st_ino};
}

void StoreKeeper::set(std::shared_ptr<store::Store> store, std::optional<File> file,
                      std::string problem) {
  const std::scoped_lock lock(mutex_);
  store_ = std::move(store);
  opened_ = file;
  problem_ = std::move(problem);
  generation_.fetch_add(1, std::memory_order_release);
}

// Replaced between two of these steps it is opened once more.
Result<std::pair<std::shared_ptr<store::Store>, StoreKeeper::File>> StoreKeeper::open_file() const {
  constexpr int most_tries = 3;
  for (int i = 0; i < most_tries; ++i) {
    const auto before = data_file();
    auto opened = store::Store::open(options_);
    if (!opened) return std::unexpected(std::move(opened).error());
    const auto after = data_file();
    if (after && (after == before || !before)) return std::pair{*std::move(opened), *after};
  }
  return fail(Errc::busy,
              fmt::format("the store {} is replaced again and again", options_.path.string()));
}

void StoreKeeper::open() {
  const bool there = data_file().has_value();
  // Once it was there, a store that is missing was lost: an empty one in its place would let
  // everybody through.
  if (there) options_.mode = store::Mode::read_write;
  auto opened = open_file();
  if (!opened) {
    const bool lost =
        options_.mode == store::Mode::read_write && opened.error().code == Errc::not_found;
    auto problem = lost ? fmt::format("the store {} is gone: put it back, or restore it",
                                      options_.path.string())
                        : std::move(opened).error().text;
    if (problem == problem_) return;
    log::error(fmt::format("store: {}; recipients are deferred until it can be opened", problem));
    set(nullptr, std::nullopt, std::move(problem));
    return;
  }
  if (there) {
    log::info(fmt::format("store {}: open", options_.path.string()));
  } else {
    log::warning(fmt::format("store {}: was not there; a new one was made, and it is empty",
                             options_.path.string()));
  }
  options_.mode = store::Mode::read_write;
  set(std::move(opened->first), opened->second, {});
}

// The new one first, and then no more of the old one: nobody is deferred.
bool StoreKeeper::go_over() {
  auto opened = open_file();
  if (!opened) return false;
  log::info(fmt::format("store {}: was compacted, or replaced; the new file is in use",
                        options_.path.string()));
  set(std::move(opened->first), opened->second, {});
  return true;
}

void StoreKeeper::look(Time now) {
  const auto file = data_file();
  if (store_ && (!file || file != opened_) && !(file && go_over())) {
    log::error(fmt::format(
        "store {}: was removed or replaced; recipients are deferred until it can be opened",
        options_.path.string()));
    set(nullptr, std::nullopt,
        fmt::format("the store {} was removed or replaced", options_.path.string()));
  }
  if (store_ && store_->must_reopen()) {
    log::warning(fmt::format("store {}: has outgrown its map, or LMDB gave up; it is opened anew",
                             options_.path.string()));
    set(nullptr, std::nullopt,
        fmt::format("the store {} is being opened anew", options_.path.string()));
  }
  if (!store_) open();
  if (store_) store_->keep_filter();
  if (store_ && looks_++ % looks_between_clearings == 0) {
    if (const auto cleared = store_->clear_stale_readers(); !cleared)
      log::warning(cleared.error().text);
  }
  nightly_.look(now);
}

}  // namespace postern::cli
