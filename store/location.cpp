#include "store/location.h"

#include "store/space.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::store {
namespace {

struct NetworkFileSystem {
  std::uint32_t magic;
  std::string_view name;
};
// f_type of statfs(2); those that linux/magic.h has not are in the sources of their file systems.
constexpr NetworkFileSystem network_file_systems[] = {
    {0x6969, "NFS"},        {0x517B, "SMB"},      {0xFE534D42, "SMB"},   {0xFF534D42, "CIFS"},
    {0x5346414F, "AFS"},    {0x6B414653, "AFS"},  {0x01021997, "9p"},    {0x00C36400, "Ceph"},
    {0x0BD00BD0, "Lustre"}, {0x01161970, "GFS2"}, {0x7461636F, "OCFS2"}, {0x73757245, "Coda"},
    {0x564C, "NCP"},        {0x65735546, "FUSE"}, {0x47504653, "GPFS"},  {0x19830326, "BeeGFS"},
};

int open_directory(const std::filesystem::path& directory) {
  return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

}  // namespace

Error file_error(const std::filesystem::path& file, int code) {
  const auto text = [&](std::string_view why) { return fmt::format("{}: {}", file.string(), why); };
  if (code == ENOSPC || code == EDQUOT) return {Errc::full, text(disk_is_full)};
  if (code == EFBIG) return {Errc::full, text(file_limit)};
  if (code == EEXIST) return {Errc::exists, text("is there already")};
  return {Errc::io, text(std::system_category().message(code))};
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

DirectoryLock& DirectoryLock::operator=(DirectoryLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void DirectoryLock::release() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

Result<DirectoryLock> DirectoryLock::take(const std::filesystem::path& directory, Kind kind,
                                          std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds longest_pause{50};
  DirectoryLock lock(open_directory(directory));
  if (!lock.held()) return lock;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::chrono::milliseconds pause{1};
  // Polled: a wait within flock() could be ended by a signal only.
  while (::flock(lock.descriptor_, (kind == Kind::shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return DirectoryLock();
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(Errc::busy,
                  fmt::format("the files in {} are being replaced, or opened, by another "
                              "process that does not end: try again",
                              directory.string()));
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, longest_pause);
  }
  return lock;
}

Result<bool> DirectoryLock::is_free(const std::filesystem::path& directory) {
  const DirectoryLock lock(open_directory(directory));
  if (!lock.held()) {
    return std::unexpected(file_error(directory, errno));
  }
  return ::flock(lock.descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

Result<void> sync_directory(const std::filesystem::path& directory) {
  const int descriptor = open_directory(directory);
  const int code = descriptor < 0 || ::fsync(descriptor) != 0 ? errno : 0;
  if (descriptor >= 0) ::close(descriptor);
  // Some file systems have nothing to sync there.
  if (code == 0 || code == EINVAL) return {};
  return std::unexpected(file_error(directory, code));
}

Result<void> refuse_network_file_system(const std::filesystem::path& directory) {
  struct statfs info{};
  if (::statfs(directory.c_str(), &info) != 0) {
    return std::unexpected(file_error(directory, errno));
  }
  const auto magic = static_cast<std::uint32_t>(info.f_type);
  for (const auto& [known, name] : network_file_systems) {
    if (magic == known) {
      return fail(
          Errc::unsupported,
          fmt::format("{} lies on a network file system ({}), where a store would be damaged: "
                      "use a local disk",
                      directory.string(), name));
    }
  }
  return {};
}

Result<void> make_directory(const std::filesystem::path& directory) {
  std::error_code error;
  const std::filesystem::path whole =
      std::filesystem::absolute(directory, error).lexically_normal();
  const std::filesystem::path path = whole.has_filename() ? whole : whole.parent_path();
  if (std::filesystem::is_directory(path, error)) return {};
  std::filesystem::create_directories(path.parent_path(), error);
  if (!error && ::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    error.assign(errno, std::system_category());
  }
  if (error) {
    return fail(error == std::errc::no_space_on_device ? Errc::full : Errc::io,
                fmt::format("cannot create the store at {}: {}", path.string(), error.message()));
  }
  return {};
}

Result<void> give_to_owner(const std::filesystem::path& directory) {
  const std::array files{data_file(directory), lock_file(directory)};
  return give_to_owner(directory, files);
}

Result<void> give_to_owner(const std::filesystem::path& directory,
                           std::span<const std::filesystem::path> files) {
  if (::geteuid() != 0) return {};
  struct stat owner{};
  if (::stat(directory.c_str(), &owner) != 0) {
    return std::unexpected(file_error(directory, errno));
  }
  for (const auto& file : files) {
    struct stat now{};
    if (::stat(file.c_str(), &now) != 0) continue;
    if (now.st_uid == owner.st_uid && now.st_gid == owner.st_gid) continue;
    // Not through a link: whoever owns the directory could have root give away another file.
    if (::lchown(file.c_str(), owner.st_uid, owner.st_gid) != 0 && errno != EROFS) {
      return fail(Errc::io,
                  fmt::format("cannot give {} to {}: {}", file.string(), owner_of(directory),
                              std::system_category().message(errno)));
    }
  }
  return {};
}

Result<std::string> location_of(const std::filesystem::path& data_file) {
  struct stat info{};
  if (::stat(data_file.c_str(), &info) != 0) {
    return std::unexpected(file_error(data_file, errno));
  }
  std::string machine;
  std::ifstream("/etc/machine-id") >> machine;
  return fmt::format("{}:{}:{}", info.st_dev, info.st_ino, machine);
}

std::string owner_of(const std::filesystem::path& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return "somebody else";
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(info.st_uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found) {
    return entry.pw_name;
  }
  return std::to_string(info.st_uid);
}

}  // namespace postern::store
