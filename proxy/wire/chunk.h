// Chunks of BDAT (RFC 3030) as the octets that DATA would have brought: what is announced by its
// length in, what ends with a dot out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postern::wire {

class ChunkStuffer {
 public:
  // Appends the next octets of the content to `out`, dot-stuffed (RFC 5321 section 4.5.2): at most
  // twice as many. However they are cut, the same come of them. A dot is doubled behind CRLF and at
  // the beginning alone; bare CRs, bare LFs and NULs pass: whoever reads data refuses them, or
  // stuffs behind the line ends that it makes of them.
  void take(std::string_view octets, std::string& out);
  // Appends the end of data; in front of it CRLF where the content does not end with one (RFC 5321
  // section 4.1.1.4). Nothing more comes then.
  void finish(std::string& out) const;

 private:
  // What the octets so far end with: nothing special, CR, CRLF (or the very start).
  enum class State : std::uint8_t { text, cr, line_start };

  State state_ = State::line_start;
};

}  // namespace postern::wire
