#include "store/copy.h"

#include "store/location.h"
#include "store/space.h"
#include "store/txn.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <utility>

#include <lmdb.h>
#include <unistd.h>

namespace postern::store {
namespace {

constexpr MDB_dbi free_pages = 0;  // LMDB's own table of them

// A file that goes away again unless it is kept.
class NewFile {
 public:
  explicit NewFile(const std::filesystem::path& path)
      : path_(path),
        descriptor_(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR)) {}
  ~NewFile() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    if (!kept_) ::unlink(path_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_; }
  void keep() { kept_ = true; }

 private:
  const std::filesystem::path& path_;
  int descriptor_;
  bool kept_ = false;
};

// How many octets a copy of this moment has: the pages that are not free. Each row of the table of
// free pages is a count, and as many numbers of pages.
Result<std::uint64_t> size_of_copy(const Env& env) {
  auto txn = Txn::read(env);
  if (!txn) return std::unexpected(txn.error());
  MDB_cursor* cursor = nullptr;
  int code = ::mdb_cursor_open(txn->handle(), free_pages, &cursor);
  std::uint64_t free = 0;
  MDB_val key{};
  MDB_val row{};
  while (code == MDB_SUCCESS &&
         (code = ::mdb_cursor_get(cursor, &key, &row, MDB_NEXT)) == MDB_SUCCESS) {
    std::size_t count = 0;
    if (row.mv_size >= sizeof count) std::memcpy(&count, row.mv_data, sizeof count);
    free += count;
  }
  if (cursor != nullptr) ::mdb_cursor_close(cursor);
  MDB_envinfo info{};
  MDB_stat stat{};
  if (code == MDB_NOTFOUND) code = ::mdb_env_info(env.handle(), &info);
  if (code == MDB_SUCCESS) code = ::mdb_env_stat(env.handle(), &stat);
  if (code != MDB_SUCCESS) return std::unexpected(env.error(code, "copy"));
  const std::uint64_t pages = info.me_last_pgno + 1;
  return (pages > free ? pages - free : 0) * stat.ms_psize;
}

// LMDB's codes of writing the copy: those of the system are about the new file, its own about the
// store.
Error copy_error(const Env& env, const std::filesystem::path& file, int code) {
  return code > 0 ? file_error(file, code) : env.error(code, "copy");
}

}  // namespace

Result<void> write_copy(const Env& env, const std::filesystem::path& file) {
  const auto size = size_of_copy(env);
  if (!size) return std::unexpected(size.error());
  NewFile copy(file);
  if (copy.descriptor() < 0) return std::unexpected(file_error(file, errno));
  int code = reserve(copy.descriptor(), *size);
  if (code == 0) code = ::mdb_env_copyfd2(env.handle(), copy.descriptor(), MDB_CP_COMPACT);
  if (code != 0) return std::unexpected(copy_error(env, file, code));
  // What was reserved too much.
  const ::off_t end = ::lseek(copy.descriptor(), 0, SEEK_CUR);
  if (end < 0 || ::ftruncate(copy.descriptor(), end) != 0 || ::fsync(copy.descriptor()) != 0) {
    return std::unexpected(file_error(file, errno));
  }
  copy.keep();
  return {};
}

}  // namespace postern::store
