#include "cli/serving_lock.h"

#include "base/log.h"
#include "store/location.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::cli {

namespace {

// What the file says of who has it; it may not have come to that yet.
std::string holder(int descriptor) {
  std::array<char, 20> text{};
  const auto count = ::pread(descriptor, text.data(), text.size(), 0);
  std::string_view pid(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  pid = pid.substr(0, pid.find('\n'));
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (pid.empty() || !std::ranges::all_of(pid, is_digit)) return "another process";
  return fmt::format("process {}", pid);
}

}  // namespace

Result<void> ServingLock::take() {
  if (auto made = store::make_directory(store_); !made) return std::unexpected(made.error());
  const std::array files{file()};
  const int descriptor =
      ::open(files[0].c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (descriptor < 0) return std::unexpected(store::file_error(files[0], errno));
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = descriptor;
  if (auto given = store::give_to_owner(store_, files); !given) return given;
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return std::unexpected(store::file_error(files[0], errno));
    return fail(Errc::busy,
                fmt::format("the store {} is served already, by {}: stop that gate first, or give "
                            "this one a store of its own",
                            store_.string(), holder(descriptor)));
  }
  const auto pid = fmt::format("{}\n", ::getpid());
  const bool written = ::ftruncate(descriptor, 0) == 0 &&
                       ::pwrite(descriptor, pid.data(), pid.size(), 0) == std::ssize(pid);
  // A full disk does not keep anybody from serving: the lock holds without a pid.
  static_cast<void>(written);
  return {};
}

bool ServingLock::is_of_the_folder() const {
  struct stat mine{};
  struct stat there{};
  return descriptor_ >= 0 && ::fstat(descriptor_, &mine) == 0 &&
         ::stat(file().c_str(), &there) == 0 && mine.st_dev == there.st_dev &&
         mine.st_ino == there.st_ino;
}

// Where no store is, nothing is made: it is being replaced, or a volume is not mounted.
void ServingLock::look() {
  std::error_code none;
  if (is_of_the_folder() || !std::filesystem::exists(store::data_file(store_), none)) return;
  const auto taken = take();
  if (!taken && !told_) log::error(taken.error().text);
  told_ = !taken;
}

ServingLock::~ServingLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace postern::cli
