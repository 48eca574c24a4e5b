#include "proxy/wire/chunk.h"

namespace postern::wire {

void ChunkStuffer::take(std::string_view octets, std::string& out) {
  while (!octets.empty()) {
    if (state_ == State::line_start && octets.front() == '.') out += '.';
    const auto end = octets.find('\n');
    const auto line = octets.substr(0, end == std::string_view::npos ? end : end + 1);
    out += line;
    if (end == std::string_view::npos) {
      state_ = line.back() == '\r' ? State::cr : State::text;
    } else {
      const bool after_cr = end == 0 ? state_ == State::cr : line[end - 1] == '\r';
      state_ = after_cr ? State::line_start : State::text;
    }
    octets.remove_prefix(line.size());
  }
}

void ChunkStuffer::finish(std::string& out) const {
  out += state_ == State::line_start ? ".\r\n" : "\r\n.\r\n";
}

}  // namespace postern::wire
