// Whom a notice names as not reached. Every address gets evidence from the shape of its line and
// from the words around it; those with the best are it.
#pragma once

#include "policy/return_mail/notice.h"

#include <string>
#include <string_view>
#include <vector>

namespace postern::return_mail {

// Addresses of the mail that holds the notice, lower case.
struct Correspondents {
  std::vector<std::string>
      addressed;         // whom the notice is sent to: the sender of the returned message
  std::string reporter;  // who wrote it
  std::vector<std::string> failed;  // of X-Failed-Recipients, as written
};

struct NamedRecipient {
  std::string address;
  std::string original;  // the address that it was made of, where the notice says so
  std::string diagnostic;
};

// In the order of the notice; at most max_findings. `certain`: the mail is a notice without doubt,
// and weak evidence of one address will do.
[[nodiscard]] std::vector<NamedRecipient> find_recipients(const Notice& notice,
                                                          const Correspondents& correspondents,
                                                          bool certain);

}  // namespace postern::return_mail
