// A message whose lines may end in LF alone, as the octets that its sender should have sent: put in
// front of a DataScanner where that is configured. The end of data is CRLF.CRLF of the sender's own
// octets and nothing else (RFC 5321 section 4.1.1.4), and no other octets of theirs become one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::wire {

class LineEnds {
 public:
  struct Piece {
    std::string octets;        // dot-stuffed, every LF behind its CR; at most three times the input
    std::size_t consumed = 0;  // of the input: all, or up to the end of data
  };
  // Takes the next piece of data, however it is cut. A bare LF becomes CRLF. What stands behind one
  // was not stuffed, for it began no line: its dot is. A dot that stands alone between a CRLF and a
  // bare LF ends nothing, and stays as it is read. Bare CRs and NULs pass: they are the scanner's
  // to refuse.
  [[nodiscard]] Piece take(std::string_view input);

 private:
  // What the sender's octets so far end with: nothing special, CRLF (or the very start), a bare LF,
  // CR, CRLF ".", CRLF "." CR.
  enum class State : std::uint8_t { text, line_start, bare_start, cr, dot, dot_cr };

  [[nodiscard]] State after(char octet) const;

  State state_ = State::line_start;
};

}  // namespace postern::wire
