// Who the client is, as servers tell each other: XFORWARD for the log, XCLIENT in its place
// (Postfix's XFORWARD_README and XCLIENT_README). Values are xtext as they stand on the wire (RFC
// 3461 section 4).
#pragma once

#include "base/network.h"
#include "base/result.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::wire {

// Names in upper case; in the order in which they came.
using ClientAttributes = std::vector<std::pair<std::string, std::string>>;

// What XFORWARD offers to tell here, and what it may say.
inline constexpr std::string_view forwarded_names = "NAME ADDR PORT PROTO HELO IDENT SOURCE";

// The attributes behind the word XFORWARD. Errc::invalid: not "name=value", a name that is not
// offered, no xtext, a value of more than 255 octets; the text says which.
[[nodiscard]] Result<ClientAttributes> parse_forwarded(std::string_view text);

// A client of ours, for XCLIENT. `login`: empty where nobody authenticated.
struct ClientFacts {
  IpAddress address;
  std::string_view helo;
  bool extended = true;
  std::string_view login;
};
[[nodiscard]] ClientAttributes xclient_attributes(const ClientFacts& facts);

// Command lines with CRLF that tell them, each of at most 512 octets: those of which `offered`, a
// list of names with blanks between, has the name. Empty: none of them.
[[nodiscard]] std::vector<std::string> attribute_lines(std::string_view verb,
                                                       const ClientAttributes& attributes,
                                                       std::string_view offered);

}  // namespace postern::wire
