#include "proxy/maildir.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::proxy {

namespace {

Error system_error(std::string_view what, const std::filesystem::path& path) {
  const int error = errno;
  return {
      error == ENOSPC ? Errc::full : Errc::io,
      fmt::format("cannot {} {}: {}", what, path.string(), std::generic_category().message(error))};
}

Result<void> write_file(const std::filesystem::path& path, std::string_view octets) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return std::unexpected(system_error("create", path));
  Result<void> written;
  while (!octets.empty() && written) {
    const ssize_t count = ::write(file, octets.data(), octets.size());
    if (count < 0 && errno != EINTR) written = std::unexpected(system_error("write", path));
    if (count > 0) octets.remove_prefix(static_cast<std::size_t>(count));
  }
  if (written && ::fsync(file) != 0) written = std::unexpected(system_error("sync", path));
  ::close(file);
  return written;
}

}  // namespace

Result<Maildir> Maildir::open(const std::filesystem::path& root) {
  std::error_code error;
  for (const auto* part : {"tmp", "new", "cur"}) {
    std::filesystem::create_directories(root / part, error);
    if (error)
      return fail(Errc::io,
                  fmt::format("cannot create {}: {}", (root / part).string(), error.message()));
  }
  return Maildir(root);
}

Result<std::string> Maildir::deliver(std::string_view message) const {
  static std::atomic<std::uint64_t> counter = 0;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  const auto name = fmt::format("{}.P{}Q{}.postern-sink", micros, ::getpid(), ++counter);
  const auto temporary = root_ / "tmp" / name;
  if (auto written = write_file(temporary, message); !written) {
    ::unlink(temporary.c_str());
    return std::unexpected(std::move(written).error());
  }
  const auto kept = root_ / "new" / name;
  if (::rename(temporary.c_str(), kept.c_str()) != 0)
    return std::unexpected(system_error("move to", kept));
  return name;
}

}  // namespace postern::proxy
