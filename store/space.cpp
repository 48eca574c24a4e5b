#include "store/space.h"

#include "store/location.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <unistd.h>

namespace postern::store {
namespace {

constexpr ::off_t one_batch = 1 << 20;

class File {
 public:
  File(const std::filesystem::path& path, int flags)
      : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, S_IRUSR | S_IWUSR)) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  // 0, or the system's code.
  [[nodiscard]] int reserve(::off_t octets) const {
    return ::posix_fallocate(descriptor_, 0, octets);
  }

 private:
  int descriptor_;
};

// Asked for first: going over it is a signal (SIGXFSZ), not only an error.
bool limit_allows(::off_t octets) {
  rlimit limit{};
  return ::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
         limit.rlim_cur >= static_cast<::rlim_t>(octets);
}

::off_t size_of(const std::filesystem::path& file) {
  struct stat info{};
  return ::stat(file.c_str(), &info) == 0 ? info.st_size : 0;
}

// What is told of a file that could not be given its blocks.
int lack_of_room(int code) { return code == ENOSPC || code == EDQUOT || code == EFBIG ? code : 0; }

}  // namespace

int reserve(int descriptor, std::uint64_t octets) {
  const auto wanted = static_cast<::off_t>(octets);
  if (!limit_allows(wanted)) return EFBIG;
  return lack_of_room(::posix_fallocate(descriptor, 0, wanted));
}

int reserve_lock_file(const std::filesystem::path& directory, unsigned max_readers) {
  // LMDB's header of two cache lines, then one for each reader; whole pages, as it maps them.
  constexpr ::off_t line = 64;
  const auto page = static_cast<::off_t>(::sysconf(_SC_PAGESIZE));
  const ::off_t wanted = ((2 + ::off_t{max_readers}) * line + page - 1) / page * page;
  if (!limit_allows(wanted)) return EFBIG;
  const File file(lock_file(directory), O_RDWR | O_CREAT);
  if (!file.is_open()) return errno == ENOSPC || errno == EDQUOT ? errno : 0;
  return lack_of_room(file.reserve(wanted));
}

std::optional<std::string_view> no_space(const std::filesystem::path& directory) {
  if (!limit_allows(size_of(data_file(directory)) + one_batch)) return file_limit;
  // By writing, not by asking how much is left: a quota does not show there.
  const File file(directory, O_TMPFILE | O_RDWR);
  const int code = file.is_open() ? file.reserve(one_batch) : errno;
  if (code == ENOSPC || code == EDQUOT) return disk_is_full;
  return std::nullopt;
}

}  // namespace postern::store
