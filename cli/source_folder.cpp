#include "cli/source_folder.h"

#include "base/text.h"
#include "store/location.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <ext/stdio_filebuf.h>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <tuple>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::cli {
namespace {

constexpr std::size_t most_files = 10'000;
// Of NAME_MAX, with room for a number and the kind of the notes behind it.
constexpr std::size_t longest_name = 240;
constexpr std::size_t most_of_a_name = 100'000;

// A file of an opened descriptor, as a stream that closes it.
class FileStream final : public std::istream {
 public:
  explicit FileStream(Descriptor file)
      : std::istream(nullptr), buffer_(file.release(), std::ios::in | std::ios::binary, 1U << 16U) {
    rdbuf(&buffer_);
  }

 private:
  __gnu_cxx::stdio_filebuf<char> buffer_;
};

FileVersion version_of(const struct stat& file) {
  return {.inode = file.st_ino,
          .octets = file.st_size,
          .changed = file.st_mtim.tv_sec * 1'000'000'000 + file.st_mtim.tv_nsec};
}

std::optional<struct stat> look_at(const Descriptor& directory, const std::string& name) {
  struct stat file{};
  if (::fstatat(directory.get(), name.c_str(), &file, AT_SYMLINK_NOFOLLOW) != 0) {
    return std::nullopt;
  }
  return file;
}

// Files that root made are the folder's owner's, who has to be able to take them away.
int give(int descriptor, const Descriptor& folder) {
  struct stat owner{};
  if (::geteuid() != 0) return 0;
  if (::fstat(folder.get(), &owner) != 0) return errno;
  return ::fchown(descriptor, owner.st_uid, owner.st_gid) == 0 ? 0 : errno;
}

// 0, or the system's code: EEXIST where the name is taken.
int move(const Descriptor& from, const std::string& name, const Descriptor& to,
         const std::string& new_name) {
  if (::renameat2(from.get(), name.c_str(), to.get(), new_name.c_str(), RENAME_NOREPLACE) == 0) {
    return 0;
  }
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // A file system that cannot tell; done/ and rejected/ are the gate's alone to write.
  if (look_at(to, new_name)) return EEXIST;
  return ::renameat(from.get(), name.c_str(), to.get(), new_name.c_str()) == 0 ? 0 : errno;
}

std::string numbered(const std::string& name, std::size_t number) {
  return number == 0 ? name : fmt::format("{}.{}", name.substr(0, longest_name), number);
}

// Of a name that numbered() made: no two of them have the same notes.
std::string notes_name(const std::string& name, const std::string& kind) {
  constexpr std::size_t name_max = 255;
  if (name.size() + kind.size() <= name_max) return name + kind;
  const auto dot = name.rfind('.');
  const std::string number =
      name.size() > longest_name && dot >= longest_name ? name.substr(dot) : "";
  return name.substr(0, name_max - kind.size() - number.size()) + number + kind;
}

// Somebody has it open for writing. Only its owner, or CAP_LEASE, is told: else it is taken as
// written.
bool is_written_to(const Descriptor& file) {
  if (::fcntl(file.get(), F_SETLEASE, F_RDLCK) == 0) {
    ::fcntl(file.get(), F_SETLEASE, F_UNLCK);
    return false;
  }
  return errno == EAGAIN;
}

Error changed_meanwhile(const std::string& name) {
  return {Errc::busy, fmt::format("{} changed while it was read", printable(name))};
}

}  // namespace

bool is_export_name(std::string_view name) {
  const std::string lower = to_lower(name);
  if (lower.starts_with('.')) return false;
  return std::ranges::none_of(
      std::initializer_list<std::string_view>{".tmp", ".part", ".crdownload", ".filepart", ".swp",
                                              "~"},
      [&](std::string_view ending) { return lower.ends_with(ending); });
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

SourceNotes::~SourceNotes() {
  file_.reset();
  if (!name_.empty()) ::unlinkat(rejected_.get(), name_.c_str(), 0);
}

void SourceNotes::add(std::string_view text) {
  if (problem_ != 0) return;
  if (!file_) {
    // Of a gate that died over the same file.
    ::unlinkat(rejected_.get(), hidden_.c_str(), 0);
    Descriptor file(::openat(rejected_.get(), hidden_.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) {
      problem_ = errno;
      return;
    }
    name_ = hidden_;
    problem_ = give(file.get(), rejected_);
    file_.reset(::fdopen(file.get(), "wb"));
    if (!file_) {
      problem_ = errno;
      return;
    }
    static_cast<void>(file.release());
  }
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size()) problem_ = errno;
}

Result<void> SourceNotes::finish() {
  if (problem_ == 0 && file_ && std::fflush(file_.get()) != 0) problem_ = errno;
  if (problem_ == 0) return {};
  return std::unexpected(store::file_error("rejected/" + hidden_, problem_));
}

Error SourceFolder::failed(std::string_view name, int code) const {
  auto error = store::file_error(name.empty() ? path_ : path_ / name, code);
  if (code == EACCES || code == EPERM || code == EROFS) {
    error.text += " (the gate reads the files of a [[source]] and moves them to done/)";
  }
  return error;
}

Result<SourceFolder> SourceFolder::open(const std::filesystem::path& path) {
  SourceFolder folder(path);
  folder.folder_ = Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.folder_) return std::unexpected(folder.failed("", errno));
  // A month before the first file comes, and not after it was imported.
  if (::faccessat(folder.folder_.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return std::unexpected(folder.failed("", errno));
  }
  auto done = folder.subfolder("done");
  if (!done) return std::unexpected(done.error());
  auto rejected = folder.subfolder("rejected");
  if (!rejected) return std::unexpected(rejected.error());
  folder.done_ = *std::move(done);
  folder.rejected_ = *std::move(rejected);
  return folder;
}

Result<Descriptor> SourceFolder::subfolder(const char* name) const {
  const bool made = ::mkdirat(folder_.get(), name, 0700) == 0;
  if (!made && errno != EEXIST) return std::unexpected(failed(name, errno));
  Descriptor directory(
      ::openat(folder_.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return std::unexpected(failed(name, errno));
  if (made) {
    if (const int code = give(directory.get(), folder_); code != 0) {
      return std::unexpected(failed(name, code));
    }
  }
  if (::faccessat(directory.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return std::unexpected(failed(name, errno));
  }
  return directory;
}

Result<std::vector<SourceFile>> SourceFolder::files() const {
  Descriptor again(::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!again) return std::unexpected(failed("", errno));
  const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> listing(
      ::fdopendir(again.get()));
  if (!listing) return std::unexpected(failed("", errno));
  static_cast<void>(again.release());
  std::vector<SourceFile> files;
  while (files.size() < most_files) {
    errno = 0;
    const dirent* entry = ::readdir(listing.get());
    if (entry == nullptr && errno != 0) return std::unexpected(failed("", errno));
    if (entry == nullptr) break;
    SourceFile file{.name = entry->d_name, .version = {}};
    if (!is_export_name(file.name)) continue;
    const auto found = look_at(folder_, file.name);
    if (!found || S_ISDIR(found->st_mode)) continue;
    file.version = version_of(*found);
    file.regular = S_ISREG(found->st_mode);
    if (file.regular && file.version.octets == 0) continue;
    files.push_back(std::move(file));
  }
  std::ranges::sort(
      files, {}, [](const SourceFile& file) { return std::tie(file.version.changed, file.name); });
  return files;
}

Result<std::unique_ptr<std::istream>> SourceFolder::read(const SourceFile& file) const {
  // Not to wait for a writer, should it have become a pipe.
  Descriptor opened(::openat(folder_.get(), file.name.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!opened) return std::unexpected(failed(file.name, errno));
  struct stat now{};
  if (::fstat(opened.get(), &now) != 0) return std::unexpected(failed(file.name, errno));
  if (!S_ISREG(now.st_mode) || version_of(now) != file.version) {
    return std::unexpected(changed_meanwhile(file.name));
  }
  if (is_written_to(opened)) {
    return fail(Errc::busy, fmt::format("{} is being written", printable(file.name)));
  }
  return std::make_unique<FileStream>(std::move(opened));
}

std::unique_ptr<SourceNotes> SourceFolder::notes(const SourceFile& file, std::string kind) const {
  // No two files of a folder are notes of the same one.
  auto hidden = fmt::format(".{}{}.tmp", file.version.inode, kind);
  Descriptor rejected(::fcntl(rejected_.get(), F_DUPFD_CLOEXEC, 0));
  return std::unique_ptr<SourceNotes>(
      new SourceNotes(std::move(kind), std::move(hidden), std::move(rejected)));
}

Result<std::string> SourceFolder::free_name(const std::string& name, Place place,
                                            const SourceNotes* notes) const {
  for (std::size_t number = 0; number < most_of_a_name; ++number) {
    const auto candidate = numbered(name, number);
    if (look_at(directory(place), candidate)) continue;
    const bool noted = notes != nullptr && !notes->empty();
    const auto beside = noted ? notes_name(candidate, notes->kind_) : std::string();
    if (noted && beside != notes->name_ && look_at(rejected_, beside)) continue;
    return candidate;
  }
  return std::unexpected(failed(name, EEXIST));
}

Result<void> SourceFolder::publish(SourceNotes& notes, const std::string& beside) const {
  if (notes.name_ == beside) return {};
  if (const int code = move(rejected_, notes.name_, rejected_, beside); code != 0) {
    return std::unexpected(failed("rejected/" + beside, code));
  }
  notes.name_ = beside;
  return {};
}

Result<std::string> SourceFolder::settle(const SourceFile& file, Place place,
                                         SourceNotes* notes) const {
  const auto now = look_at(folder_, file.name);
  if (!now || version_of(*now) != file.version) {
    return std::unexpected(changed_meanwhile(file.name));
  }
  auto name = free_name(file.name, place, notes);
  if (!name) return std::unexpected(name.error());
  // Before the file goes: after a crash in between it is imported again, and nothing is missing.
  const bool noted = notes != nullptr && !notes->empty();
  if (noted) {
    const auto beside = notes_name(*name, notes->kind_);
    if (auto done = publish(*notes, beside); !done) return std::unexpected(done.error());
  }
  const Descriptor& to = directory(place);
  if (const int code = move(folder_, file.name, to, *name); code != 0) {
    return std::unexpected(failed(file.name, code));
  }
  // What was put in its place at the last moment, or is written to it still, was not read.
  const auto moved = look_at(to, *name);
  if (moved && version_of(*moved) != file.version) {
    int code = EEXIST;
    for (std::size_t number = 0; code == EEXIST && number < most_of_a_name; ++number) {
      code = move(to, *name, folder_, numbered(file.name, number));
    }
    return std::unexpected(code == 0 ? changed_meanwhile(file.name) : failed(file.name, code));
  }
  if (noted) notes->name_.clear();
  return (place == Place::done ? "done/" : "rejected/") + *name;
}

}  // namespace postern::cli
