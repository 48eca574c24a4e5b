// The octets after 354: where they end, and that they hold nothing which could be read as another
// end. RFC 5321 section 4.1.1.4: only CRLF.CRLF ends data. No copying: the caller forwards the
// octets it was given, still dot-stuffed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::wire {

class DataScanner {
 public:
  enum class Fault : std::uint8_t { none, bare_cr, bare_lf, nul };

  struct Piece {
    std::size_t consumed =
        0;  // octets of the piece that are data, the final "." CRLF included; the rest are commands
    std::size_t forward =
        0;  // octets of those that may go upstream now (a CR at the very end waits for its LF)
    bool cr_first = false;  // the CR held back from the piece before goes in front of them
  };
  // Takes the next piece of data, however it is cut. After a fault nothing more may be forwarded
  // (`forward` is 0), but octets are consumed to the real end: what follows a refused message is
  // never read as commands. The first fault stays.
  [[nodiscard]] Piece scan(std::string_view piece);

  [[nodiscard]] bool finished() const { return finished_; }
  [[nodiscard]] Fault fault() const { return fault_; }
  // Dots so far that are no content: of stuffing, and the final one.
  [[nodiscard]] std::uint64_t dots() const { return dots_; }

 private:
  // What the octets so far end with: nothing special, CRLF (or the very start), CR, CRLF ".", CRLF
  // "." CR.
  enum class State : std::uint8_t { text, line_start, cr, dot, dot_cr };

  void take(char octet);
  void note(Fault fault);

  State state_ = State::line_start;
  Fault fault_ = Fault::none;
  std::uint64_t dots_ = 0;
  bool finished_ = false;
};

// Of a message, or its beginning: dot-stuffing undone, the final dot gone, `line_end` for each
// CRLF.
[[nodiscard]] std::string unstuffed(std::string_view data, std::string_view line_end);

}  // namespace postern::wire
