#include "cli/privileges.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::cli {
namespace {

std::unexpected<Error> failed(std::string_view what, int code = errno) {
  return fail(Errc::io, fmt::format("cannot {}: {}", what, std::system_category().message(code)));
}

// A change of the user makes a process dumpable again, as /proc/sys/fs/suid_dumpable has it.
bool forbid_dumps() { return ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0; }

// No capability is left to use or to take up.
bool has_no_capability() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  std::uint32_t any = 0;
  for (const auto& set : sets) any |= set.effective | set.permitted;
  return any == 0;
}

bool is_for_good(const Account& account) {
  uid_t real = 0;
  uid_t effective = 0;
  uid_t saved = 0;
  if (::getresuid(&real, &effective, &saved) != 0) return false;
  if (real != account.user || effective != account.user || saved != account.user) return false;
  gid_t real_group = 0;
  gid_t effective_group = 0;
  gid_t saved_group = 0;
  if (::getresgid(&real_group, &effective_group, &saved_group) != 0) return false;
  if (real_group != account.group || effective_group != account.group ||
      saved_group != account.group) {
    return false;
  }
  return ::setuid(0) != 0 && ::seteuid(0) != 0 && ::setgid(0) != 0 && has_no_capability();
}

}  // namespace

Result<Account> find_account(const std::string& name) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  const int code = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (code != 0) return failed(fmt::format("look up the user {}", name), code);
  if (found == nullptr) {
    return fail(Errc::not_found, fmt::format("user: there is no user {} on this machine", name));
  }
  if (entry.pw_uid == 0 || entry.pw_gid == 0) {
    return fail(Errc::invalid,
                fmt::format("user: {} is root, or of its group: name another, or none", name));
  }
  return Account{name, entry.pw_uid, entry.pw_gid};
}

Result<void> harden_process() {
  ::umask(S_IRWXG | S_IRWXO);
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0 || !forbid_dumps()) return failed("forbid core dumps");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("forbid new privileges");
  return {};
}

Result<void> make_folder_for(const Account& account, const std::filesystem::path& folder) {
  std::error_code error;
  const auto whole = std::filesystem::absolute(folder, error).lexically_normal();
  const auto path = whole.has_filename() ? whole : whole.parent_path();
  const auto cannot = fmt::format("make the folder {}", path.string());
  struct stat now{};
  if (::stat(path.c_str(), &now) == 0) {
    if (now.st_uid == account.user) return {};
    return fail(Errc::conflict,
                fmt::format("{} belongs to another user than {}: chown -R {} {}, or another user",
                            path.string(), account.name, account.name, path.string()));
  }
  // What leads there is for everybody, as mkdir -p makes it; the folder itself is not.
  const auto mask = ::umask(S_IWGRP | S_IWOTH);
  std::filesystem::create_directories(path.parent_path(), error);
  ::umask(mask);
  if (error) return failed(cannot, error.value());
  if (::mkdir(path.c_str(), S_IRWXU) != 0) return failed(cannot);
  const int made = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const int code = made < 0 || ::fchown(made, account.user, account.group) != 0 ? errno : 0;
  if (made >= 0) ::close(made);
  if (code != 0) return failed(cannot, code);
  return {};
}

Result<void> become(const Account& account) {
  const auto cannot = fmt::format("become the user {}", account.name);
  if (::initgroups(account.name.c_str(), account.group) != 0) return failed(cannot);
  if (::setresgid(account.group, account.group, account.group) != 0) return failed(cannot);
  if (::setresuid(account.user, account.user, account.user) != 0) return failed(cannot);
  if (!forbid_dumps()) return failed("forbid core dumps");
  if (!is_for_good(account)) {
    return fail(Errc::io, fmt::format("cannot {}: root's rights could be had again", cannot));
  }
  return {};
}

}  // namespace postern::cli
