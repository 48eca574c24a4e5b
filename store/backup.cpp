#include "store/backup.h"

#include "store/copy.h"
#include "store/impl.h"
#include "store/location.h"
#include "store/pages.h"
#include "store/space.h"
#include "store/swap.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::store {
namespace {

constexpr const char* unfinished = "data.mdb.part";

// Takes back what was begun, unless all went well.
class Undo {
 public:
  explicit Undo(std::filesystem::path directory) : directory_(std::move(directory)) {}
  ~Undo() {
    if (done_) return;
    if (!file_.empty()) ::unlink(file_.c_str());
    if (made_) ::rmdir(directory_.c_str());
  }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  void made_directory() { made_ = true; }
  void writes(std::filesystem::path file) { file_ = std::move(file); }
  void done() { done_ = true; }

 private:
  std::filesystem::path directory_;
  std::filesystem::path file_;
  bool made_ = false;
  bool done_ = false;
};

bool is_there(const std::filesystem::path& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0;
}

// The name of a directory that may be new, where those above may be read at all.
void sync_above(const std::filesystem::path& directory) {
  std::error_code error;
  const auto above = std::filesystem::absolute(directory, error).parent_path();
  if (!error) static_cast<void>(sync_directory(above));
}

// A directory for a backup: made, or there and empty.
Result<void> prepare(const std::filesystem::path& to, Undo& undo) {
  std::error_code error;
  if (is_there(to)) {
    if (!std::filesystem::is_empty(to, error) && !error) {
      return fail(Errc::exists, fmt::format("{} is there already, and not empty: name another "
                                            "directory for the backup",
                                            to.string()));
    }
    if (!error && !std::filesystem::is_directory(to, error))
      error.assign(ENOTDIR, std::system_category());
    if (error) return std::unexpected(file_error(to, error.value()));
    return {};
  }
  const auto above = std::filesystem::absolute(to, error).parent_path();
  if (!error) std::filesystem::create_directories(above, error);
  if (error) return std::unexpected(file_error(above, error.value()));
  if (::mkdir(to.c_str(), S_IRWXU) != 0) return std::unexpected(file_error(to, errno));
  undo.made_directory();
  return {};
}

Result<Tables> opened_tables(const Env& env) {
  auto txn = Txn::read(env);
  if (!txn) return std::unexpected(txn.error());
  auto tables = open_tables(*txn, false);
  if (!tables) return tables;
  if (auto kept = txn->commit(); !kept) return std::unexpected(kept.error());
  return tables;
}

// The copy as a store would be opened: it must read, and be of a version that is known.
Result<void> check_copy(const std::filesystem::path& file) {
  auto report = check_pages(file);
  if (!report) return std::unexpected(report.error());
  if (auto sound = require_sound(*report, file); !sound) return sound;
  auto env = Env::open_copy(file);
  if (!env) return std::unexpected(env.error());
  auto tables = opened_tables(**env);
  if (!tables) return std::unexpected(tables.error());
  return {};
}

class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags)
      : number_(::open(path.c_str(), flags | O_CLOEXEC, S_IRUSR | S_IWUSR)) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

Result<void> copy_octets(const std::filesystem::path& from, const std::filesystem::path& to) {
  const Descriptor in(from, O_RDONLY);
  if (in.number() < 0) return std::unexpected(file_error(from, errno));
  struct stat info{};
  if (::fstat(in.number(), &info) != 0) return std::unexpected(file_error(from, errno));
  const Descriptor out(to, O_WRONLY | O_CREAT | O_EXCL);
  if (out.number() < 0) return std::unexpected(file_error(to, errno));
  if (const int code = reserve(out.number(), static_cast<std::uint64_t>(info.st_size)); code != 0) {
    return std::unexpected(file_error(to, code));
  }
  std::vector<std::uint8_t> piece(1U << 20U);
  while (true) {
    const auto got = ::read(in.number(), piece.data(), piece.size());
    if (got < 0) return std::unexpected(file_error(from, errno));
    if (got == 0) break;
    for (::ssize_t put = 0; put < got;) {
      const auto more =
          ::write(out.number(), piece.data() + put, static_cast<std::size_t>(got - put));
      if (more < 0) return std::unexpected(file_error(to, errno));
      put += more;
    }
  }
  if (::fsync(out.number()) != 0) return std::unexpected(file_error(to, errno));
  return {};
}

Result<std::filesystem::path> file_of(const std::filesystem::path& backup) {
  std::error_code error;
  auto file = std::filesystem::is_directory(backup, error) ? data_file(backup) : backup;
  if (std::filesystem::is_regular_file(file, error)) return file;
  return fail(Errc::not_found, fmt::format("no backup at {}: it has no data.mdb", backup.string()));
}

Result<void> refuse_existing(const std::filesystem::path& directory) {
  std::error_code error;
  const auto size = std::filesystem::file_size(data_file(directory), error);
  // An empty file was never finished.
  if (error == std::errc::no_such_file_or_directory || (!error && size == 0)) return {};
  if (error) return std::unexpected(file_error(data_file(directory), error.value()));
  return fail(Errc::exists, fmt::format("there is a store at {} already: move it away first, or "
                                        "restore to another place",
                                        directory.string()));
}

// A new epoch, wherever it lies.
Result<void> make_it_ours(const std::filesystem::path& directory, std::uint64_t map_size) {
  auto env = Env::open_guarded({directory, false, false, map_size});
  if (!env) return std::unexpected(env.error());
  auto here = location_of(data_file(directory));
  if (!here) return std::unexpected(here.error());
  auto txn = Txn::write_anyway(**env);
  if (!txn) return std::unexpected(txn.error());
  auto tables = open_tables(*txn, false);
  if (!tables) return std::unexpected(tables.error());
  // The backup may have been made in the very moment of a compaction.
  if (auto done = mark_moved(*txn, false); !done) return done;
  if (auto done = draw_origin(*txn, *tables, *here); !done) return done;
  // What was taken off it since the backup would swallow the next message of the same text.
  if (tables->ledger) {
    if (auto done = txn->clear(*tables->ledger); !done) return done;
  }
  return txn->commit();
}

Result<void> replay_into(Options options, const std::filesystem::path& directory,
                         const std::function<Result<void>(Store&)>& replay) {
  if (!replay) return {};
  options.path = directory;
  options.mode = Mode::read_write;
  auto store = Store::open(options);
  if (!store) return std::unexpected(store.error());
  return replay(**store);
}

// The copy is checked, not the backup: what was read, and then written, is what will be relied on.
Result<Salvaged> copy_sound(const std::filesystem::path& from, const std::filesystem::path& copy) {
  if (auto copied = copy_octets(from, copy); !copied) return std::unexpected(copied.error());
  auto report = check_pages(copy);
  if (!report) return std::unexpected(report.error());
  if (auto sound = require_sound(*report, from); !sound) return std::unexpected(sound.error());
  return Salvaged{};
}

}  // namespace

Result<void> backup(const Env& env, const std::filesystem::path& to) {
  auto sound = check_pages(env);
  if (!sound) return std::unexpected(sound.error());
  if (auto done = require_sound(*sound, data_file(env.directory())); !done) return done;
  Undo undo(to);
  if (auto ready = prepare(to, undo); !ready) return ready;
  const auto part = to / unfinished;
  undo.writes(part);
  if (auto written = write_copy(env, part); !written) return written;
  if (auto good = check_copy(part); !good) return good;
  if (::rename(part.c_str(), data_file(to).c_str()) != 0) {
    return std::unexpected(file_error(data_file(to), errno));
  }
  undo.writes(data_file(to));
  if (auto done = sync_directory(to); !done) return done;
  sync_above(to);
  undo.done();
  return {};
}

Result<Salvaged> restore(const std::filesystem::path& backup, const Options& options,
                         const std::function<Result<void>(Store&)>& replay, Damage damage) {
  const auto& path = options.path;
  auto from = file_of(backup);
  if (!from) return std::unexpected(from.error());
  if (auto free = refuse_existing(path); !free) return std::unexpected(free.error());
  Undo undo(path);
  if (!is_there(path)) undo.made_directory();
  if (auto made = make_directory(path); !made) return std::unexpected(made.error());
  if (auto local = refuse_network_file_system(path); !local) {
    return std::unexpected(local.error());
  }
  auto workshop = Workshop::make(path, nullptr);
  if (!workshop) return std::unexpected(workshop.error());
  auto salvaged = damage == Damage::salvaged ? salvage(*from, workshop->path(), options.map_size)
                                             : copy_sound(*from, data_file(workshop->path()));
  if (!salvaged) return salvaged;
  auto done = make_it_ours(workshop->path(), options.map_size);
  if (done) done = replay_into(options, workshop->path(), replay);
  if (done) done = sync_directory(workshop->path());
  if (!done) return std::unexpected(done.error());
  {
    auto alone = DirectoryLock::take(path, DirectoryLock::Kind::alone);
    if (!alone) return std::unexpected(alone.error());
    done = refuse_existing(path);
    if (done) done = workshop->put_in_place([] {});
    if (!done) return std::unexpected(done.error());
  }
  sync_above(path);
  undo.done();
  return salvaged;
}

Result<void> Store::backup(const std::filesystem::path& to) const {
  if (auto done = store::backup(*impl_->env, to); !done) return done;
  auto env = Env::open_copy(data_file(to));
  if (!env) return std::unexpected(env.error());
  auto tables = opened_tables(**env);
  if (!tables) return std::unexpected(tables.error());
  const KeyHasher hasher(impl_->hash_key);
  const Store copy(std::unique_ptr<Impl>(new Impl{
      .options = {.path = to, .mode = Mode::read_only, .providers = {}},
      .env = std::move(*env),
      .tables = *tables,
      .hash_key = impl_->hash_key,
      .read_only = true,
      .providers = impl_->providers,
      .write_mutex = {},
      .hasher = hasher,
      .rules = {},
      .swept_to = {},
  }));
  auto verified = copy.verify({});
  if (!verified) return std::unexpected(verified.error());
  if (verified->wrong == 0) return {};
  return fail(Errc::damaged, fmt::format("the backup {} is as the store is, and {} things in it do "
                                         "not agree with its events: postern verify names them",
                                         to.string(), verified->wrong));
}

}  // namespace postern::store
