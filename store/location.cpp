#include "store/location.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <system_error>
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

std::string system_text(int code) { return std::system_category().message(code); }

}  // namespace

Result<void> refuse_network_file_system(const std::filesystem::path& directory) {
  struct statfs info{};
  if (::statfs(directory.c_str(), &info) != 0) {
    return fail(Errc::io, fmt::format("{}: {}", directory.string(), system_text(errno)));
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
  if (::geteuid() != 0) return {};
  struct stat owner{};
  if (::stat(directory.c_str(), &owner) != 0) {
    return fail(Errc::io, fmt::format("{}: {}", directory.string(), system_text(errno)));
  }
  for (const auto& file : {data_file(directory), lock_file(directory)}) {
    struct stat now{};
    if (::stat(file.c_str(), &now) != 0) continue;
    if (now.st_uid == owner.st_uid && now.st_gid == owner.st_gid) continue;
    // Not through a link: whoever owns the directory could have root give away another file.
    if (::lchown(file.c_str(), owner.st_uid, owner.st_gid) != 0 && errno != EROFS) {
      return fail(Errc::io, fmt::format("cannot give {} to {}: {}", file.string(),
                                        owner_of(directory), system_text(errno)));
    }
  }
  return {};
}

Result<std::string> location_of(const std::filesystem::path& data_file) {
  struct stat info{};
  if (::stat(data_file.c_str(), &info) != 0) {
    return fail(Errc::io, fmt::format("{}: {}", data_file.string(), system_text(errno)));
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
