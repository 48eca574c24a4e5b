// The local part of a mailbox, read and written: RFC 5321 section 4.1.2 (Dot-string,
// Quoted-string), RFC 6531.
#pragma once

#include "policy/domain.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::policy {

struct LocalPart {
  std::string text;          // unquoted, NFC; may be empty, since "" is a Quoted-string
  std::size_t consumed = 0;  // of the text that was read, up to the "@"
};
// The local part in front of `text`, which was found fit for an address. At most max_local_part
// octets, and as many when its case is folded, so that a canonical address is an address.
[[nodiscard]] Parsed<LocalPart> read_local_part(std::string_view text);

// How long the Dot-string of ASCII in front of `text` is; 0: there is none, or it is too long.
[[nodiscard]] std::size_t plain_local_part(std::string_view text);

// Appends it as it is, or where it is no Dot-string in quotes.
void append_local_part(std::string& out, std::string_view local_part);

}  // namespace postern::policy
