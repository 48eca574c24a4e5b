#include "proxy/unix_socket.h"

#include "base/log.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::proxy {

namespace {

constexpr int backlog = 4096;
constexpr mode_t reachable = 0660;

std::unexpected<Error> cannot_listen(const std::filesystem::path& path, int error) {
  return fail(Errc::io, fmt::format("cannot listen on unix:{}: {}", path.string(),
                                    std::generic_category().message(error)));
}

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

int open_socket() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

template <int (*call)(int, const sockaddr*, socklen_t)>
int with_address(int descriptor, const std::filesystem::path& path) {
  const auto address = address_of(path);
  return call(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0
                                                                                            : errno;
}

// 0 where somebody listens; ECONNREFUSED where a file is all that is left.
int error_of_connecting(const std::filesystem::path& path) {
  const int probe = open_socket();
  if (probe < 0) return errno;
  const int error = with_address<::connect>(probe, path);
  ::close(probe);
  return error == EAGAIN ? 0 : error;  // listens, and is very busy
}

// What stands at the path already is out of the way, or why it stays.
Result<void> clear_the_way(const std::filesystem::path& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return {};
    return cannot_listen(path, errno);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return fail(Errc::exists, fmt::format("cannot listen on unix:{}: there is a file that is no "
                                          "socket; remove it, or choose another path",
                                          path.string()));
  }
  const int error = error_of_connecting(path);
  if (error == 0) {
    return fail(Errc::busy, fmt::format("cannot listen on unix:{}: another program does (ss -lxp "
                                        "shows which); stop it, or choose another path",
                                        path.string()));
  }
  if (error != ECONNREFUSED) return cannot_listen(path, error);
  if (::unlink(path.c_str()) != 0) return cannot_listen(path, errno);
  return {};
}

// The directory's group may reach it, so that who may is decided where the directory is made.
void give_to_group_of_directory(const std::filesystem::path& path) {
  struct stat directory{};
  if (::stat(path.parent_path().c_str(), &directory) == 0 &&
      ::lchown(path.c_str(), static_cast<uid_t>(-1), directory.st_gid) == 0) {
    return;
  }
  log::warning(fmt::format("unix:{}: its group cannot be that of its directory: {}", path.string(),
                           std::generic_category().message(errno)));
}

}  // namespace

Result<UnixSocket> UnixSocket::listen(const std::filesystem::path& path) {
  if (auto clear = clear_the_way(path); !clear) return std::unexpected(clear.error());
  const int descriptor = open_socket();
  if (descriptor < 0) return cannot_listen(path, errno);
  // The mode before there is a file: at no time can others reach it, and a path whose directory is
  // somebody else's is not gone by again.
  int error = ::fchmod(descriptor, reachable) == 0 ? 0 : errno;
  if (error == 0) {
    // No thread runs yet that could make a file meanwhile.
    const mode_t before = ::umask(0);
    error = with_address<::bind>(descriptor, path);
    ::umask(before);
  }
  if (error != 0) {
    ::close(descriptor);
    return cannot_listen(path, error);
  }
  UnixSocket made(path, descriptor);
  give_to_group_of_directory(path);
  if (::listen(descriptor, backlog) != 0) return cannot_listen(path, errno);
  return made;
}

UnixSocket::UnixSocket(std::filesystem::path path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {
  struct stat made{};
  if (::lstat(path_.c_str(), &made) != 0) return;
  device_ = made.st_dev;
  inode_ = made.st_ino;
}

UnixSocket::UnixSocket(UnixSocket&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)),
      device_(other.device_),
      inode_(other.inode_) {}

void UnixSocket::hand_over() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

UnixSocket::~UnixSocket() {
  hand_over();
  struct stat found{};
  if (path_.empty() || ::lstat(path_.c_str(), &found) != 0) return;
  // A file made after ours was removed may have its number.
  if (found.st_dev != device_ || found.st_ino != inode_) return;
  if (error_of_connecting(path_) == ECONNREFUSED) ::unlink(path_.c_str());
}

}  // namespace postern::proxy
