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

  // A reader that could not be had (every slot taken) is asked for again.
  void refresh() override {
    follow();
    if (store_ && !reader_) renew();
  }

 private:
  void follow() {
    if (keeper_.generation_.load(std::memory_order_acquire) != generation_) renew();
  }

  void renew() {
    reader_.reset();
    const std::scoped_lock lock(keeper_.mutex_);
    generation_ = keeper_.generation_.load(std::memory_order_relaxed);
    store_ = keeper_.store_;
    problem_ = keeper_.problem_;
    if (!store_) return;
    auto reader = store_->reader();
    if (reader) {
      reader_ = *std::move(reader);
    } else {
      problem_ = std::move(reader).error().text;
    }
  }

  StoreKeeper& keeper_;
  std::uint64_t generation_ = 0;
  std::shared_ptr<store::Store> store_;
  std::unique_ptr<policy::ContactReader> reader_;  // of store_: dies first
  std::string problem_;
};

StoreKeeper::StoreKeeper(store::Options options) : options_(std::move(options)) { look(); }

std::unique_ptr<policy::ContactReader> StoreKeeper::reader() {
  return std::make_unique<Reader>(*this);
}

std::optional<StoreKeeper::File> StoreKeeper::data_file() const {
  struct stat status{};
  if (::stat((options_.path / "data.mdb").c_str(), &status) != 0) return std::nullopt;
  return File{status.st_dev, status.st_ino};
}

void StoreKeeper::set(std::shared_ptr<store::Store> store, std::string problem) {
  const std::scoped_lock lock(mutex_);
  store_ = std::move(store);
  problem_ = std::move(problem);
  generation_.fetch_add(1, std::memory_order_release);
}

void StoreKeeper::open() {
  const bool there = data_file().has_value();
  // Once it was there, a store that is missing was lost: an empty one in its place would let
  // everybody through.
  if (there) options_.mode = store::Mode::read_write;
  auto opened = store::Store::open(options_);
  if (!opened) {
    const bool lost =
        options_.mode == store::Mode::read_write && opened.error().code == Errc::not_found;
    auto problem = lost ? fmt::format("the store {} is gone: put it back, or restore it",
                                      options_.path.string())
                        : std::move(opened).error().text;
    if (problem == problem_) return;
    log::error(fmt::format("store: {}; recipients are deferred until it can be opened", problem));
    set(nullptr, std::move(problem));
    return;
  }
  if (there) {
    log::info(fmt::format("store {}: open", options_.path.string()));
  } else {
    log::warning(fmt::format("store {}: was not there; a new one was made, and it is empty",
                             options_.path.string()));
  }
  options_.mode = store::Mode::read_write;
  opened_ = data_file();
  set(*std::move(opened), {});
}

void StoreKeeper::look() {
  const auto file = data_file();
  if (store_ && (!file || file != opened_)) {
    log::error(fmt::format(
        "store {}: was removed or replaced; recipients are deferred until it can be opened",
        options_.path.string()));
    set(nullptr, fmt::format("the store {} was removed or replaced", options_.path.string()));
  }
  if (store_ && store_->must_reopen()) {
    log::warning(fmt::format("store {}: has outgrown its map, or LMDB gave up; it is opened anew",
                             options_.path.string()));
    set(nullptr, fmt::format("the store {} is being opened anew", options_.path.string()));
  }
  if (!store_) open();
  if (store_ && looks_++ % looks_between_clearings == 0) {
    if (const auto cleared = store_->clear_stale_readers(); !cleared)
      log::warning(cleared.error().text);
  }
}

}  // namespace postern::cli
