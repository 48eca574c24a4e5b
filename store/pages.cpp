#include "store/pages.h"

#include "store/location.h"
#include "store/page_walk.h"
#include "store/txn.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::store {
namespace {

constexpr const char* whole_file = "(file)";

struct Metas {
  std::array<std::expected<MetaPage, std::string>, meta_pages> pages;
};

// The second lies one page behind the first, whose size the first may no longer tell.
Metas read_metas(const PageFile& file) {
  constexpr std::size_t enough = 512;
  const auto read = [&](std::uint64_t at, PageNumber number) {
    std::array<std::uint8_t, enough> octets{};
    return read_meta({octets.data(), file.read(at, octets)}, number);
  };
  Metas metas{{read(0, 0), std::unexpected("the file ends before it")}};
  if (metas.pages[0]) {
    metas.pages[1] = read(metas.pages[0]->page_size, 1);
  } else {
    for (std::uint32_t size = 512; size <= 65'536 && !metas.pages[1]; size *= 2) {
      auto second = read(size, 1);
      if (second && second->page_size == size) metas.pages[1] = std::move(second);
    }
  }
  return metas;
}

// The newest snapshot, or the one that is asked for.
const MetaPage* choose(const Metas& metas, std::optional<std::uint64_t> transaction) {
  const MetaPage* chosen = nullptr;
  for (const auto& meta : metas.pages) {
    if (!meta || (transaction && meta->transaction != *transaction)) continue;
    if (chosen == nullptr || meta->transaction > chosen->transaction) chosen = &*meta;
  }
  return chosen;
}

// Nothing where the snapshot is not there (any more).
std::optional<PageReport> walk(int descriptor, std::optional<std::uint64_t> transaction,
                               const EntrySink& entry) {
  const PageFile file(descriptor);
  const Metas metas = read_metas(file);
  const MetaPage* chosen = choose(metas, transaction);
  if (chosen == nullptr) return std::nullopt;
  PageReport report = walk_pages(file, *chosen, entry);
  for (PageNumber number = 0; number < meta_pages; ++number) {
    const auto& meta = metas.pages[number];
    if (!meta) report.problems.insert(report.problems.begin(), {number, whole_file, meta.error()});
  }
  return report;
}

Error no_snapshot(const std::filesystem::path& file) {
  return {Errc::damaged,
          fmt::format("{}: neither of its two first pages reads: it is no data file of LMDB, or it "
                      "is damaged where it begins: restore a backup",
                      file.string())};
}

}  // namespace

std::string describe(const PageProblem& problem) {
  return fmt::format("page {} of {}: {}", problem.page, problem.table, problem.what);
}

Result<PageReport> check_pages(const std::filesystem::path& data_file, const EntrySink& entry) {
  const int descriptor = ::open(data_file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::unexpected(file_error(data_file, errno));
  auto report = walk(descriptor, std::nullopt, entry);
  ::close(descriptor);
  if (!report) return std::unexpected(no_snapshot(data_file));
  return *std::move(report);
}

Result<PageReport> check_pages(const Env& env, const EntrySink& entry) {
  // A meta page is written anew by every second commit: it may be too late for that of a snapshot
  // that was just taken, never for what it leads to.
  constexpr int most_tries = 100;
  for (int i = 0; i < most_tries; ++i) {
    auto snapshot = Txn::read(env);
    if (!snapshot) return std::unexpected(snapshot.error());
    auto report = walk(env.descriptor(), snapshot->id(), entry);
    if (report) return *std::move(report);
  }
  return std::unexpected(no_snapshot(data_file(env.directory())));
}

Result<PageReport> check_store_pages(const std::filesystem::path& directory,
                                     const EntrySink& entry) {
  auto env = Env::open({directory, true, false, 0, true});
  if (env) return check_pages(**env, entry);
  const Errc code = env.error().code;
  if (code == Errc::not_found || code == Errc::busy) return std::unexpected(env.error());
  return check_pages(data_file(directory), entry);
}

Result<void> require_sound(const PageReport& report, const std::filesystem::path& file) {
  if (report.sound()) return {};
  const auto others = report.problems.size() + report.more_problems - 1;
  return fail(Errc::damaged,
              fmt::format("{} is damaged: {}{}", file.string(), describe(report.problems.front()),
                          others == 0 ? "" : fmt::format(" (and {} more)", others)));
}

}  // namespace postern::store
