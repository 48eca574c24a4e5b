// Mail that nobody wrote by hand and that reports nothing: automatic replies (RFC 3834 and the
// habits of the world), and requests to be left alone that a click made (RFC 2369 section 3.2).
#pragma once

#include "policy/return_mail/header.h"

#include <string_view>

namespace postern::return_mail {

// By its fields and its subject (decoded, lower case). Half of all bounces carry such fields too:
// ask this last.
[[nodiscard]] bool is_automatic_reply(const Header& header, std::string_view subject);

// By its own address or a subject of that word alone. `subject`: decoded, lower case.
[[nodiscard]] bool is_unsubscribe_request(const Header& header, std::string_view subject);

}  // namespace postern::return_mail
