#include "store/compaction.h"

#include "store/copy.h"
#include "store/impl.h"
#include "store/octets.h"
#include "store/pages.h"
#include "store/swap.h"

#include <cerrno>
#include <sys/stat.h>
#include <system_error>
#include <utility>

namespace postern::store {
namespace {

constexpr std::string_view owed_name = "compaction-owed";

std::uint64_t size_of(const std::filesystem::path& file) {
  std::error_code ignored;
  const auto size = std::filesystem::file_size(file, ignored);
  return ignored ? 0 : size;
}

// An operator may have opened the files to a group.
Result<void> give_mode(const std::filesystem::path& from, const std::filesystem::path& to) {
  struct stat info{};
  if (::stat(from.c_str(), &info) != 0) return std::unexpected(file_error(from, errno));
  if (::chmod(to.c_str(), info.st_mode & 07777U) != 0) {
    return std::unexpected(file_error(to, errno));
  }
  return {};
}

// The same store in another place, not a copy of it; unless it was one, and nobody had noticed yet.
Result<void> keep_origin(Txn& txn, const Tables& tables, const Env& old, std::string_view here) {
  auto there = location_of(data_file(old.directory()));
  if (!there) return std::unexpected(there.error());
  auto known = location(txn, tables);
  if (!known) return std::unexpected(known.error());
  auto numbers = numbering(txn, tables);
  if (!numbers) return std::unexpected(numbers.error());
  if (auto drawn = draw_origin(txn, tables, here); !drawn || *known != *there) return drawn;
  return put_numbering(txn, tables, *numbers);
}

// The copy as an environment with a lock file of its own. A file keeps its inode when it is
// renamed: where it lies now is where it will lie.
Result<std::unique_ptr<Env>> open_new(const Env& old, const std::filesystem::path& workshop) {
  auto env = Env::open_guarded({workshop, false, false, old.map_size()});
  if (!env) return env;
  for (const auto& file : {data_file, lock_file}) {
    if (auto given = give_mode(file(old.directory()), file(workshop)); !given) {
      return std::unexpected(given.error());
    }
  }
  auto here = location_of(data_file(workshop));
  if (!here) return std::unexpected(here.error());
  auto txn = Txn::write(**env);
  if (!txn) return std::unexpected(txn.error());
  auto tables = open_tables(*txn, false);
  if (!tables) return std::unexpected(tables.error());
  auto done = keep_origin(*txn, *tables, old, *here);
  if (done) done = txn->remove(tables->meta, octets_of(owed_name));
  if (done) done = txn->commit();
  if (done) done = sync_directory(workshop);
  if (done) done = sync_directory(old.directory());
  if (!done) return std::unexpected(done.error());
  return env;
}

}  // namespace

Result<Compaction> compact(const Env& env, const CompactionOptions& options) {
  const auto& step = options.after_step;
  // LMDB would copy a damaged page, or crash on it.
  auto report = check_pages(env);
  if (!report) return std::unexpected(report.error());
  if (auto sound = require_sound(*report, data_file(env.directory())); !sound) {
    return std::unexpected(sound.error());
  }
  auto old_txn = Txn::write(env);
  if (!old_txn) return std::unexpected(old_txn.error());
  auto workshop = Workshop::make(env.directory(), &env);
  if (!workshop) return std::unexpected(workshop.error());
  step("begun");
  Compaction result{.before = size_of(data_file(env.directory()))};
  if (auto done = write_copy(env, data_file(workshop->path())); !done) {
    return std::unexpected(done.error());
  }
  step("copied");
  auto next = open_new(env, workshop->path());
  if (!next) return std::unexpected(next.error());
  result.after = size_of(data_file(workshop->path()));
  // Holds back whoever would write to the new file.
  auto new_txn = Txn::write(**next);
  if (!new_txn) return std::unexpected(new_txn.error());
  step("ready");
  {
    auto alone = DirectoryLock::take(env.directory(), DirectoryLock::Kind::alone, options.patience);
    if (!alone) return std::unexpected(alone.error());
    if (!env.in_place()) return std::unexpected(env.moved());
    auto done = mark_moved(*old_txn, true);
    if (done) done = old_txn->commit();
    if (!done) return std::unexpected(done.error());
    env.set_moved();
    step("marked");
    int renamed = 0;
    done = workshop->put_in_place([&] { step(++renamed == 1 ? "data renamed" : "lock renamed"); });
    if (!done) return std::unexpected(done.error());
  }
  step("in place");
  auto left = wait_for_readers(env, options.patience);
  if (!left) return std::unexpected(left.error());
  result.readers_left = *left;
  return result;
}

Result<void> owe_compaction(Txn& txn, const Tables& tables, Time since) {
  OctetWriter out;
  out.i64(since.time_since_epoch().count());
  return txn.put(tables.meta, octets_of(owed_name), out.octets());
}

Result<std::optional<Time>> compaction_owed(const Txn& txn, const Tables& tables) {
  auto value = txn.get(tables.meta, octets_of(owed_name));
  if (!value) return std::unexpected(value.error());
  if (!*value) return std::nullopt;
  OctetReader in(**value);
  const Time since{std::chrono::seconds{in.i64()}};
  if (!in.finished()) return std::unexpected(txn.env().damaged("its compaction-owed"));
  return since;
}

Result<std::optional<Time>> Store::owes_compaction() const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  return store::compaction_owed(*txn, impl_->tables);
}

}  // namespace postern::store
