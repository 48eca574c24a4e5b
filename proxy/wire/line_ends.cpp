#include "proxy/wire/line_ends.h"

namespace postern::wire {

LineEnds::State LineEnds::after(char octet) const {
  const bool after_cr = state_ == State::cr || state_ == State::dot_cr;
  switch (octet) {
    case '\r':
      return state_ == State::dot ? State::dot_cr : State::cr;
    case '\n':
      return after_cr ? State::line_start : State::bare_start;
    case '.':
      return state_ == State::line_start ? State::dot : State::text;
    default:
      return State::text;
  }
}

LineEnds::Piece LineEnds::take(std::string_view input) {
  Piece piece;
  piece.octets.reserve(input.size() + input.size() / 16);
  for (const char octet : input) {
    const State before = state_;
    const State now = after(octet);
    if (now == State::bare_start) {
      piece.octets += before == State::dot ? ".\r" : "\r";
    } else if (before == State::bare_start && octet == '.') {
      piece.octets += '.';
    }
    piece.octets += octet;
    ++piece.consumed;
    state_ = now;
    if (before == State::dot_cr && octet == '\n') break;
  }
  return piece;
}

}  // namespace postern::wire
