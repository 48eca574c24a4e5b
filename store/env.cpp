#include "store/env.h"

#include "store/location.h"
#include "store/space.h"
#include "store/swap.h"

#include <cerrno>
#include <mutex>
#include <set>
#include <sys/stat.h>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <lmdb.h>

namespace postern::store {
namespace {

constexpr unsigned max_tables = 32;
constexpr unsigned max_readers = 1024;  // threads of every process that has the store open
// Sanitizers and `ulimit -v` leave less address space than the default asks for: halved down to
// this, which still holds hundreds of millions of contacts.
constexpr std::uint64_t smallest_fallback = 64ULL << 30U;
constexpr std::uint64_t smallest_map = 1ULL << 20U;

Error explain(int code, std::string_view doing, const std::filesystem::path& directory) {
  const auto text = [&](std::string_view why) {
    return fmt::format("cannot {} the store at {}: {}", doing, directory.string(), why);
  };
  switch (code) {
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
      return {Errc::full, text("it is as large as its map: raise map_size")};
    case MDB_MAP_RESIZED:
      return {Errc::busy, text("another process let it grow past this one's map: open it again, "
                               "and raise map_size to what the other has")};
    case ENOSPC:
    case EDQUOT:
      return {Errc::full, text(disk_is_full)};
    case EFBIG:
      return {Errc::full, text(file_limit)};
    case ENOMEM:
      return {Errc::io, text("out of memory: raise ulimit -v, or free some memory")};
    case MDB_VERSION_MISMATCH:
      return {Errc::version, text("it was written by another version of LMDB: use the program that "
                                  "wrote it, or a newer one")};
    case MDB_INVALID:
      return {Errc::damaged, text("data.mdb is not an LMDB file: put the right one in its place, "
                                  "from a backup or a copy")};
    case MDB_PANIC:
      return {Errc::io,
              text("a write failed earlier, and LMDB does no more until it is opened again: "
                   "look at the system's log for the cause")};
    case MDB_INCOMPATIBLE:
      return {Errc::damaged,
              text("it cannot be copied: some of its pages are neither used nor free. Nothing is "
                   "lost; export it, and import that into a new one")};
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_NOTFOUND:
      return {Errc::damaged, text(fmt::format("it is damaged ({}): put a backup in its place, or "
                                              "import an export into a new one",
                                              ::mdb_strerror(code)))};
    case MDB_READERS_FULL:
      return {Errc::busy,
              text(fmt::format("all {} reader slots are taken: end some of the processes "
                               "that have it open, or lower their number of workers",
                               max_readers))};
    case EBUSY:
    case EAGAIN:
      return {Errc::busy, text("another process holds its lock")};
    case EACCES:
    case EPERM:
      return {Errc::io, text(fmt::format("permission denied (it belongs to {}, who must be able to "
                                         "write lock.mdb even to read)",
                                         owner_of(directory)))};
    case EIO:
      // LMDB's word for a short write, which is what a disk gives while it fills up.
      if (const auto why = no_space(directory)) return {Errc::full, text(*why)};
      return {Errc::io, text("input/output error: look at the system's log for the disk")};
    default:
      return {Errc::io, text(::mdb_strerror(code))};
  }
}

// As large as what its writers had: what one of them let grow, every other can follow.
int grow_map(MDB_env* env, std::uint64_t at_least) {
  MDB_envinfo info{};
  const int code = ::mdb_env_info(env, &info);
  if (code != MDB_SUCCESS || info.me_mapsize >= at_least) return code;
  return ::mdb_env_set_mapsize(env, at_least);
}

enum class Map : std::uint8_t { at_least, exactly };

// An environment that could not be opened must be closed before another try.
int open_mapped(const Env::Settings& settings, Map which, std::uint64_t map_size, MDB_env*& env) {
  int code = ::mdb_env_create(&env);
  if (code != MDB_SUCCESS) return code;
  code = ::mdb_env_set_maxdbs(env, max_tables);
  if (code == MDB_SUCCESS) code = ::mdb_env_set_maxreaders(env, max_readers);
  // None is the one that the file names: the largest of its writers.
  if (code == MDB_SUCCESS) code = ::mdb_env_set_mapsize(env, which == Map::exactly ? map_size : 0);
  // No MDB_NOSYNC, MDB_NOMETASYNC or MDB_WRITEMAP: an acknowledged change survives a power cut.
  const unsigned flags = MDB_NOTLS | (settings.read_ahead ? 0U : MDB_NORDAHEAD) |
                         (settings.read_only ? MDB_RDONLY : 0U);
  if (code == MDB_SUCCESS) {
    code = ::mdb_env_open(env, settings.directory.c_str(), flags, S_IRUSR | S_IWUSR);
  }
  if (code == MDB_SUCCESS && which == Map::at_least) code = grow_map(env, map_size);
  if (code != MDB_SUCCESS) {
    ::mdb_env_close(env);
    env = nullptr;
  }
  return code;
}

}  // namespace

Error no_store(const std::filesystem::path& directory) {
  return {Errc::not_found,
          fmt::format(
              "no store at {}: one that was there is to be put back, or restored from a backup; a "
              "new one is made by `postern serve` or `postern import --store {}`",
              directory.string(), directory.string())};
}

// The process's right to have one environment of a lock file, known by device and inode: another
// path may lead there, and another file may have come in its place. That is safe: LMDB's locks
// (fcntl: that a process has it open, that a process with readers lives) are on lock.mdb, and such
// locks belong to a process and an inode. Closing an environment drops those on its own lock.mdb
// alone; the environment of another lock.mdb, which was opened at the same path later, keeps its.
class Env::Claim {
 public:
  // Of directories whose lock file cannot be made (a read-only file system): the directory itself.
  static Result<std::unique_ptr<Claim>> make(const std::filesystem::path& directory) {
    // Before the file is opened for the first time: closing it would drop the locks of an
    // environment of this process. mknod() makes a file without opening it.
    const std::lock_guard lock(mutex());
    const auto file = lock_file(directory);
    if (::mknod(file.c_str(), S_IFREG | S_IRUSR | S_IWUSR, 0) != 0 &&
        (errno == ENOSPC || errno == EDQUOT)) {
      return std::unexpected(explain(errno, "open", directory));
    }
    struct stat info{};
    if (::stat(file.c_str(), &info) != 0 && ::stat(directory.c_str(), &info) != 0) {
      return std::unexpected(explain(errno, "open", directory));
    }
    const Identity identity{info.st_dev, info.st_ino};
    if (!claimed().insert(identity).second) {
      return fail(Errc::busy, fmt::format("the store at {} is open in this process already",
                                          directory.string()));
    }
    return std::unique_ptr<Claim>(new Claim(identity));
  }
  ~Claim() {
    const std::lock_guard lock(mutex());
    claimed().erase(identity_);
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  using Identity = std::pair<dev_t, ino_t>;
  explicit Claim(Identity identity) : identity_(identity) {}
  // fcntl's locks are the process's own, so this one table is too.
  static std::mutex& mutex() {
    static std::mutex instance;
    return instance;
  }
  static std::set<Identity>& claimed() {
    static std::set<Identity> instance;
    return instance;
  }
  Identity identity_;
};

Result<std::unique_ptr<Env>> Env::open(const Settings& settings) {
  if (settings.create) {
    if (auto made = make_directory(settings.directory); !made) return std::unexpected(made.error());
  }
  std::unique_ptr<Env> replaced;
  auto lock = keep_in_place(settings.directory, replaced);
  if (!lock) return std::unexpected(lock.error());
  auto env = open_guarded(settings);
  if (!env) return env;
  if (!settings.read_only && lock->held()) {
    if (auto cleared = clear_old_mark(**env); !cleared) return std::unexpected(cleared.error());
  }
  lock->release();
  if (replaced) {
    auto left = wait_for_readers(*replaced, DirectoryLock::longest);
    if (!left) return std::unexpected(left.error());
  }
  return env;
}

Result<std::unique_ptr<Env>> Env::open_guarded(const Settings& settings) {
  // An empty file was never finished.
  std::error_code error;
  const auto size = std::filesystem::file_size(data_file(settings.directory), error);
  const bool there = !error && size != 0;
  if (!settings.create && error == std::errc::permission_denied) {
    return std::unexpected(explain(EACCES, "open", settings.directory));
  }
  if (!settings.create && !there) return std::unexpected(no_store(settings.directory));
  if (auto local = refuse_network_file_system(settings.directory); !local) {
    return std::unexpected(local.error());
  }
  auto claim = Claim::make(settings.directory);
  if (!claim) return std::unexpected(claim.error());

  int code = reserve_lock_file(settings.directory, max_readers);
  if (code != 0) return std::unexpected(explain(code, "open", settings.directory));

  MDB_env* handle = nullptr;
  std::uint64_t map_size = settings.map_size;
  code = open_mapped(settings, there ? Map::at_least : Map::exactly, map_size, handle);
  if (code == ENOMEM) code = open_mapped(settings, Map::exactly, map_size, handle);
  while (code == ENOMEM && map_size / 2 >= smallest_fallback) {
    map_size /= 2;
    code = open_mapped(settings, Map::exactly, map_size, handle);
  }
  if (code == ENOMEM) {
    return fail(Errc::io, fmt::format("cannot open the store at {}: no address space for a map of "
                                      "{} octets: lower map_size or raise ulimit -v",
                                      settings.directory.string(), map_size));
  }
  if (code != MDB_SUCCESS) return std::unexpected(explain(code, "open", settings.directory));

  std::unique_ptr<Env> env(new Env(settings.directory, std::move(*claim), handle));
  if (auto given = give_to_owner(settings.directory); !given) return std::unexpected(given.error());
  if (auto cleared = env->clear_stale_readers(); !cleared) return std::unexpected(cleared.error());
  return env;
}

Result<std::unique_ptr<Env>> Env::open_copy(const std::filesystem::path& file) {
  MDB_env* handle = nullptr;
  int code = ::mdb_env_create(&handle);
  if (code != MDB_SUCCESS) return std::unexpected(explain(code, "open", file));
  std::unique_ptr<Env> env(new Env(file, nullptr, handle));
  code = ::mdb_env_set_maxdbs(handle, max_tables);
  // LMDB takes as much more as the file has pages.
  if (code == MDB_SUCCESS) code = ::mdb_env_set_mapsize(handle, smallest_map);
  if (code == MDB_SUCCESS) {
    constexpr unsigned flags = MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS;
    code = ::mdb_env_open(handle, file.c_str(), flags, S_IRUSR | S_IWUSR);
  }
  if (code != MDB_SUCCESS) return std::unexpected(explain(code, "open", file));
  return env;
}

Env::Env(std::filesystem::path directory, std::unique_ptr<Claim> claim, MDB_env* handle)
    : directory_(std::move(directory)), claim_(std::move(claim)), handle_(handle) {}

Env::~Env() { ::mdb_env_close(handle_); }

Result<int> Env::clear_stale_readers() const {
  int dead = 0;
  if (const int code = ::mdb_reader_check(handle_, &dead); code != MDB_SUCCESS) {
    return std::unexpected(error(code, "clear the readers of"));
  }
  return dead;
}

int Env::readers() const {
  // A line for each, behind a line of headings.
  int found = 0;
  const auto count = [](const char* line, void* into) {
    while (*line == ' ') ++line;
    if (*line >= '0' && *line <= '9') ++*static_cast<int*>(into);
    return 0;
  };
  ::mdb_reader_list(handle_, count, &found);
  return found;
}

std::uint64_t Env::map_size() const {
  MDB_envinfo info{};
  return ::mdb_env_info(handle_, &info) == MDB_SUCCESS ? info.me_mapsize : 0;
}

std::uint64_t Env::last_transaction() const {
  MDB_envinfo info{};
  return ::mdb_env_info(handle_, &info) == MDB_SUCCESS ? info.me_last_txnid : 0;
}

int Env::descriptor() const {
  int found = -1;
  return ::mdb_env_get_fd(handle_, &found) == MDB_SUCCESS ? found : -1;
}

bool Env::in_place() const {
  struct stat here{};
  struct stat there{};
  return ::fstat(descriptor(), &here) == 0 && ::stat(data_file(directory_).c_str(), &there) == 0 &&
         here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

Error Env::moved() const {
  set_moved();
  return {Errc::busy, fmt::format("the store at {} was compacted by another process: try again, "
                                  "with its new file",
                                  directory_.string())};
}

Error Env::damaged(std::string_view what) const {
  return {Errc::damaged,
          fmt::format("the store at {} is damaged: {} does not read; put a backup in its place, or "
                      "import an export into a new one",
                      directory_.string(), what)};
}

Error Env::error(int code, std::string_view doing) const {
  if (code == MDB_MAP_RESIZED || code == MDB_PANIC) must_reopen_ = true;
  return explain(code, doing, directory_);
}

}  // namespace postern::store
