// The parts of a message: RFC 2045 and 2046, read leniently, in one pass for each level of nesting.
#pragma once

#include "policy/return_mail/header.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postern::return_mail {

inline constexpr std::size_t max_nesting =
    8;  // multiparts within multiparts; deeper ones stay whole
inline constexpr std::size_t max_parts = 200;  // of a message; those behind are not looked at

// A part that is no multipart. Views into the message.
struct Part {
  std::string type;     // "text/plain", lower case
  std::string charset;  // as it stands; empty: none
  Header header;
  std::string_view body;  // still encoded
  // Decoded, as UTF-8; of the first `limit` octets of the body.
  [[nodiscard]] std::string text(std::size_t limit) const;
  // A message that is sent back, or its header section: nothing in it is said by this mail.
  [[nodiscard]] bool is_returned() const;
};

// In their order. A multipart whose boundary does not stand in it is split at the lines that look
// like one; where there are none either it is a text.
[[nodiscard]] std::vector<Part> split_parts(const Message& message);

}  // namespace postern::return_mail
