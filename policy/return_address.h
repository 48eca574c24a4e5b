// The local part of an address in the return domain, as it came home: mail systems on the way write
// around it (BATV, Barracuda's like, SRS), put a tag behind it, change its case or quote it.
#pragma once

#include <string>
#include <string_view>

namespace postern::policy {

struct ReturnAddress {
  enum class Kind { token, complaints, postmaster, other };
  Kind kind = Kind::other;
  std::string token{};  // lower case; whether it is authentic is another question
  friend bool operator==(const ReturnAddress&, const ReturnAddress&) = default;
};

// `local_part`: of RCPT, or as it stands in a report; quoted or not. Longer than max_local_part, it
// is `other`. `complaints`: the configured one, lower case; empty: there is none. What has the
// length and the letters of a token, and no letter or digit beside it, is one wherever it stands:
// the first counts.
[[nodiscard]] ReturnAddress read_return_address(std::string_view local_part,
                                                std::string_view complaints);

}  // namespace postern::policy
