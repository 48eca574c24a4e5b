#include "store/forgotten.h"

#include "base/text.h"
#include "store/location.h"
#include "store/octets.h"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::store {
namespace {

constexpr std::size_t time_width = 20;
constexpr std::size_t line_width = time_width + 1 + 32 + 1;

Error failed(const std::filesystem::path& ledger, int code) {
  const bool full = code == ENOSPC || code == EDQUOT;
  return {
      full ? Errc::full : Errc::io,
      fmt::format("cannot write {}, which names the forgotten to whoever restores a backup: {}; "
                  "nothing was forgotten (set [store] forgotten to a file that can be written)",
                  ledger.string(), std::system_category().message(code))};
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool parse_key(std::string_view hex, ContactKey& key) {
  for (std::size_t i = 0; i < key.size(); ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    key[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

class File {
 public:
  explicit File(const std::filesystem::path& path)
      : descriptor_(::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                           S_IRUSR | S_IWUSR)) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace

std::filesystem::path default_ledger(const std::filesystem::path& store) {
  std::error_code error;
  // Through links: two spellings of one store have one file.
  auto whole = std::filesystem::weakly_canonical(store, error);
  if (error) whole = std::filesystem::absolute(store, error).lexically_normal();
  std::filesystem::path path = whole.has_filename() ? whole : whole.parent_path();
  return path += ".forgotten";
}

Result<void> append_forgotten(const std::filesystem::path& ledger,
                              const std::filesystem::path& store,
                              std::span<const Forgotten> entries) {
  std::error_code error;
  const File file(ledger);
  if (file.get() < 0) return std::unexpected(failed(ledger, errno));
  struct stat owner{};
  if (::geteuid() == 0 && ::stat(store.c_str(), &owner) == 0) {
    if (::fchown(file.get(), owner.st_uid, owner.st_gid) != 0) {
      return std::unexpected(failed(ledger, errno));
    }
  }
  struct stat before{};
  if (::fstat(file.get(), &before) != 0) return std::unexpected(failed(ledger, errno));
  // What a crash left of a line must not become the beginning of ours.
  char last = '\n';
  if (before.st_size > 0 && ::pread(file.get(), &last, 1, before.st_size - 1) != 1) {
    return std::unexpected(failed(ledger, errno));
  }
  std::string text = last == '\n' ? "" : "\n";
  for (const Forgotten& entry : entries) {
    text += fmt::format("{} {}\n", format_time(entry.time), to_hex(entry.contact));
  }
  const auto wrote = ::write(file.get(), text.data(), text.size());
  if (wrote != static_cast<::ssize_t>(text.size())) {
    const int code = wrote < 0 ? errno : ENOSPC;
    static_cast<void>(::ftruncate(file.get(), before.st_size));
    return std::unexpected(failed(ledger, code));
  }
  if (::fsync(file.get()) != 0) return std::unexpected(failed(ledger, errno));
  if (before.st_size > 0) return {};
  const auto whole = std::filesystem::absolute(ledger, error);
  if (error) return std::unexpected(failed(ledger, error.value()));
  return sync_directory(whole.parent_path());
}

Result<std::vector<Forgotten>> read_forgotten(const std::filesystem::path& ledger) {
  std::error_code error;
  if (!std::filesystem::exists(ledger, error) && !error) return std::vector<Forgotten>{};
  std::ifstream in(ledger, std::ios::binary);
  if (!in) {
    return fail(Errc::io,
                fmt::format("{}: {}", ledger.string(), std::system_category().message(errno)));
  }
  std::vector<Forgotten> entries;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    Forgotten entry;
    const auto time = parse_time(std::string_view(line).substr(0, time_width));
    const bool whole = line.size() == line_width - 1 && line[time_width] == ' ' && time &&
                       parse_key(std::string_view(line).substr(time_width + 1), entry.contact);
    if (!whole && in.eof()) break;
    if (!whole) {
      // A line that a crash cut off, and that later ones follow, named nobody.
      if (line.size() < line_width - 1) continue;
      return fail(Errc::damaged,
                  fmt::format("{}:{}: not a time and a hash", ledger.string(), number));
    }
    entry.time = *time;
    entries.push_back(entry);
  }
  if (in.bad())
    return fail(Errc::io, fmt::format("{}: cannot be read to its end", ledger.string()));
  return entries;
}

}  // namespace postern::store
