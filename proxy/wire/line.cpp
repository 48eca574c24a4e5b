#include "proxy/wire/command.h"

#include <algorithm>

namespace postern::wire {

Line next_line(std::string_view input) {
  const std::size_t crlf = input.find("\r\n");
  if (crlf == std::string_view::npos || crlf + 2 > max_command_line) {
    if (input.size() < max_command_line) return {};
    // The CRLF stays, or its CR if that is all that has come: the tail of the line ends with it.
    const std::size_t text_end =
        crlf != std::string_view::npos ? crlf : input.size() - (input.ends_with('\r') ? 1 : 0);
    return {.state = Line::State::too_long, .text = {}, .consumed = text_end};
  }
  const std::string_view text = input.substr(0, crlf);
  const bool bare = text.contains('\n') || text.contains('\r') || text.contains('\0');
  return {.state = bare ? Line::State::bare : Line::State::complete,
          .text = text,
          .consumed = crlf + 2};
}

}  // namespace postern::wire
