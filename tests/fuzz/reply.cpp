// An upstream's octets as a reply: however they are cut, the same reply or none; what is complete
// is well-formed.
#include "proxy/wire/reply.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace wire = postern::wire;
using State = wire::ParsedReply::State;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_complete(const wire::ParsedReply& parsed, std::string_view input) {
  const wire::Reply& reply = parsed.reply;
  require(parsed.consumed <= input.size() && reply.text == input.substr(0, parsed.consumed));
  require(reply.code >= 200 && reply.code <= 599 && reply.text.ends_with("\r\n"));
  require(reply.positive() + reply.intermediate() + reply.transient() + reply.permanent() == 1);

  std::size_t lines = 0;
  for (std::size_t at = 0; at < reply.text.size(); ++lines) {
    const std::size_t end = reply.text.find("\r\n", at);
    const std::string_view line = std::string_view(reply.text).substr(at, end - at);
    require(line.size() >= 3 && line.size() + 2 <= wire::max_reply_line);
    require(line.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    require(line.substr(0, 3) == std::string_view(reply.text).substr(0, 3));
    at = end + 2;
  }
  require(lines <= wire::max_reply_lines);

  const wire::Reply changed = wire::with_code(reply, 451);
  require(changed.text.size() == reply.text.size());
  require(wire::with_code(changed, reply.code) == reply);
  const wire::ParsedReply again = wire::parse_reply(changed.text);
  require(again.state == State::complete && again.reply == changed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const wire::ParsedReply whole = wire::parse_reply(input);
  if (whole.state == State::complete) check_complete(whole, input);

  const std::size_t step = 1 + size / 256;
  for (std::size_t cut = 0; cut < size; cut += step) {
    const wire::ParsedReply part = wire::parse_reply(input.substr(0, cut));
    if (whole.state == State::complete && cut < whole.consumed)
      require(part.state == State::incomplete);
    if (part.state == State::incomplete) continue;
    require(part.state == whole.state && part.reply == whole.reply &&
            part.consumed == whole.consumed);
  }
  return 0;
}
