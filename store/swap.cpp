#include "store/swap.h"

#include "store/txn.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::store {
namespace {

constexpr const char* meta_table = "meta";
constexpr std::string_view moved_name = "moved";
constexpr std::array<std::uint8_t, 1> moved_value{1};

bool is_there(const std::filesystem::path& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

Result<void> rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT) return {};
  return std::unexpected(file_error(to, errno));
}

// The lock file first: alone, it means something else.
Result<void> remove_workshop(const std::filesystem::path& workshop) {
  for (const auto& file : {lock_file(workshop), data_file(workshop)}) {
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) {
      return std::unexpected(file_error(file, errno));
    }
  }
  if (::rmdir(workshop.c_str()) == 0 || errno == ENOENT) return {};
  return std::unexpected(file_error(workshop, errno));
}

// Step 2 from wherever it stands.
Result<void> put_files_in_place(const std::filesystem::path& directory,
                                const std::function<void()>& between) {
  const auto workshop = workshop_of(directory);
  if (auto done = rename_file(data_file(workshop), data_file(directory)); !done) return done;
  between();
  if (auto done = rename_file(lock_file(workshop), lock_file(directory)); !done) return done;
  between();
  if (auto done = sync_directory(directory); !done) return done;
  return remove_workshop(workshop);
}

// The environment in there if it is marked, otherwise nothing.
Result<std::unique_ptr<Env>> open_marked(const std::filesystem::path& directory) {
  auto env = Env::open_guarded({directory, true, false, 0});
  if (!env) return env;
  auto txn = Txn::read(**env);
  if (!txn) return std::unexpected(txn.error());
  auto moved = is_moved(*txn);
  if (!moved) return std::unexpected(moved.error());
  return *moved ? *std::move(env) : nullptr;
}

// Nobody opens anything meanwhile.
Result<void> settle_workshop(const std::filesystem::path& directory,
                             std::unique_ptr<Env>& replaced) {
  const auto workshop = workshop_of(directory);
  if (!is_there(workshop)) return {};
  const auto dead = DirectoryLock::is_free(workshop);
  if (!dead) return std::unexpected(dead.error());
  if (!*dead) return {};
  // What is to become of it is for a person to say: nothing is opened anyway.
  if (!is_there(data_file(directory))) return {};
  const bool begun = !is_there(data_file(workshop)) && is_there(lock_file(workshop));
  if (is_there(data_file(workshop))) {
    auto marked = open_marked(directory);
    if (!marked) return std::unexpected(marked.error());
    replaced = *std::move(marked);
  }
  if (!begun && !replaced) return remove_workshop(workshop);
  return put_files_in_place(directory, [] {});
}

}  // namespace

Result<DirectoryLock> keep_in_place(const std::filesystem::path& directory,
                                    std::unique_ptr<Env>& replaced) {
  auto shared = DirectoryLock::take(directory, DirectoryLock::Kind::shared);
  if (!shared || !shared->held() || !is_there(workshop_of(directory))) return shared;
  shared->release();
  auto alone = DirectoryLock::take(directory, DirectoryLock::Kind::alone);
  if (!alone || !alone->held()) return alone;
  if (auto settled = settle_workshop(directory, replaced); !settled) {
    replaced.reset();
    // Who may not rename may still read: nobody has written to the new files, they have no place
    // yet.
    if (::access(directory.c_str(), W_OK) == 0) return std::unexpected(settled.error());
  }
  return alone;
}

Result<int> wait_for_readers(const Env& old, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds longest_pause{100};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (std::chrono::milliseconds pause{1};; pause = std::min(pause * 2, longest_pause)) {
    if (auto cleared = old.clear_stale_readers(); !cleared) {
      return std::unexpected(cleared.error());
    }
    const int readers = old.readers();
    if (readers == 0 || std::chrono::steady_clock::now() >= deadline) return readers;
    std::this_thread::sleep_for(pause);
  }
}

Result<void> clear_old_mark(const Env& env) {
  {
    auto txn = Txn::read(env);
    if (!txn) return std::unexpected(txn.error());
    auto moved = is_moved(*txn);
    if (!moved) return std::unexpected(moved.error());
    if (!*moved || is_there(workshop_of(env.directory()))) return {};
  }
  auto txn = Txn::write_anyway(env);
  if (!txn) return std::unexpected(txn.error());
  if (auto done = mark_moved(*txn, false); !done) return done;
  return txn->commit();
}

Result<bool> is_moved(Txn& txn) {
  // An environment that is being made has no tables yet.
  auto root = txn.open_table(nullptr, TableKind::plain, false);
  if (!root) return std::unexpected(root.error());
  auto size = txn.size(*root);
  if (!size) return std::unexpected(size.error());
  if (size->entries == 0) return false;
  auto meta = txn.open_table(meta_table, TableKind::plain, false);
  if (!meta) return std::unexpected(meta.error());
  auto mark = txn.get(*meta, octets_of(moved_name));
  if (!mark) return std::unexpected(mark.error());
  return mark->has_value();
}

Result<void> mark_moved(Txn& txn, bool moved) {
  auto meta = txn.open_table(meta_table, TableKind::plain, false);
  if (!meta) return std::unexpected(meta.error());
  return moved ? txn.put(*meta, octets_of(moved_name), moved_value)
               : txn.remove(*meta, octets_of(moved_name));
}

Result<Workshop> Workshop::make(const std::filesystem::path& directory, const Env* old) {
  auto alone = DirectoryLock::take(directory, DirectoryLock::Kind::alone);
  if (!alone) return std::unexpected(alone.error());
  if (old != nullptr && !old->in_place()) return std::unexpected(old->moved());
  const auto path = workshop_of(directory);
  if (is_there(path)) {
    const auto dead = DirectoryLock::is_free(path);
    if (!dead) return std::unexpected(dead.error());
    if (!*dead) {
      return fail(Errc::busy, fmt::format("the store at {} is being compacted, or restored, by "
                                          "another process",
                                          directory.string()));
    }
    if (auto removed = remove_workshop(path); !removed) return std::unexpected(removed.error());
  }
  if (::mkdir(path.c_str(), S_IRWXU) != 0) return std::unexpected(file_error(path, errno));
  // Shared: whoever makes the new files opens them in there.
  auto lock = DirectoryLock::take(path, DirectoryLock::Kind::shared);
  if (!lock) return std::unexpected(lock.error());
  if (!alone->held() || !lock->held()) {
    ::rmdir(path.c_str());
    return fail(Errc::unsupported,
                fmt::format("{} cannot be locked: its owner must be able to read "
                            "it, and the file system to lock (flock)",
                            directory.string()));
  }
  if (auto given = give_to_owner(directory, {&path, 1}); !given) {
    return std::unexpected(given.error());
  }
  return Workshop(directory, *std::move(lock));
}

Workshop::~Workshop() {
  // What cannot be removed is cleared away by the next process that opens the store.
  if (lock_.held()) static_cast<void>(remove_workshop(path()));
}

Result<void> Workshop::put_in_place(const std::function<void()>& between) {
  // From here on only forwards: a copy that is left is needed.
  const DirectoryLock until_done = std::move(lock_);
  return put_files_in_place(directory_, between);
}

}  // namespace postern::store
