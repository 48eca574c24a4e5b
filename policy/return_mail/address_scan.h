// Addresses in running text: where they begin and end, and how they are written down.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postern::return_mail {

// Of "local@domain" in a text, without brackets and quotes around it.
struct Spot {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool bracketed = false;  // "<" stands before it and ">" behind it
};

// The first address at or behind `from`. Octets above 127 are part of one in brackets only: text of
// many languages stands against an address without a blank. Constant time for each octet that is
// passed.
[[nodiscard]] std::optional<Spot> next_address(std::string_view text, std::size_t from);

// The address of a field of a report (RFC 3464 section 2.3): behind its type ("rfc822;"), out of
// its brackets and comments, decoded where it is xtext (RFC 3461 section 4) or "utf-8" (RFC 6533
// section 3). Empty where none is: pipes, paths, X.400 names.
[[nodiscard]] std::string address_of_field(std::string_view value);

// The one address of a To: or From: field; empty where there are none or several.
[[nodiscard]] std::string only_address(std::string_view value);

// "postmaster", "mailer-daemon" and such: who reports, seldom who is reported.
[[nodiscard]] bool is_daemon(std::string_view address);
// "noreply", "helpdesk" and such: programs and offices that send reports among much else.
[[nodiscard]] bool is_robot(std::string_view address);

// Put out by who reports it: "redacted@...", "undisclosed", asterisks and X's.
[[nodiscard]] bool is_redacted(std::string_view address);

}  // namespace postern::return_mail
