// Codes and hosts in what was said. RFC 3463 section 2, RFC 5321 section 4.2.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::return_mail {

// The enhanced status code that says most: the first of class 4 or 5 that is not "x.0.0", else the
// first of them, else the first of class 2; empty: none stands there. Addresses of hosts and
// versions are no codes.
[[nodiscard]] std::string find_status(std::string_view text);

// The first reply code of class 4 or 5 that stands as one in `line`, "550 ..." or "550-..."; 0:
// none.
[[nodiscard]] int find_reply_code(std::string_view line);

// The host of "host mx.example.com[192.0.2.1] said: ..."; empty: none.
[[nodiscard]] std::string find_host(std::string_view text);

}  // namespace postern::return_mail
