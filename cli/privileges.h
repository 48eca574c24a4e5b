// What this process may do, and what may be seen of it: no core dump shows what was in its memory,
// no program that it starts has more rights than it, and root's rights end once the ports are
// bound.
#pragma once

#include "base/result.h"

#include <filesystem>
#include <string>
#include <sys/types.h>

namespace postern::cli {

struct Account {
  std::string name;
  uid_t user = 0;
  gid_t group = 0;
};
// By its name. Errc::not_found; Errc::invalid for root, whose rights cannot be given up to itself.
[[nodiscard]] Result<Account> find_account(const std::string& name);

// From now on: no core file, no debugger of the same user, no set-user-ID programs, and files are
// made for their owner alone.
[[nodiscard]] Result<void> harden_process();

// As root: the folder (0700) is made for the account where it is missing. Errc::conflict where it
// belongs to another, who could change it under the account's feet.
[[nodiscard]] Result<void> make_folder_for(const Account& account,
                                           const std::filesystem::path& folder);

// From root to the account, with its groups and no capability; looked at afterwards. Before any
// thread starts: rights are a thread's own. An error leaves rights half given up: end the process.
[[nodiscard]] Result<void> become(const Account& account);

}  // namespace postern::cli
