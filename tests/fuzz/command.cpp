// A client's octets: cut into lines, parsed, and written anew. What was written anew means the
// same, however often.
#include "proxy/wire/command.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace wire = postern::wire;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_reply(const wire::Reply& reply) {
  require(reply.permanent() && reply.text.size() <= 512 && reply.text.ends_with("\r\n"));
  const auto line = std::string_view(reply.text).substr(0, reply.text.size() - 2);
  require(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; }));
}

std::string written(const wire::Command& command) {
  std::string out;
  if (command.verb == wire::Verb::mail) wire::append_mail(out, command.path, command.mail, true);
  if (command.verb == wire::Verb::rcpt) wire::append_rcpt(out, command.path, command.recipient);
  return out;
}

void check_command(std::string_view text) {
  const wire::Command command = wire::parse_command(text);
  if (command.error) return check_reply(*command.error);
  require(command.verb != wire::Verb::unknown);

  const std::string anew = written(command);
  if (anew.empty()) return;
  const wire::Line line = wire::next_line(anew);
  require(line.state == wire::Line::State::complete && line.consumed == anew.size());
  const wire::Command again = wire::parse_command(line.text);
  require(!again.error && again.verb == command.verb && again.path == command.path);
  require(written(again) == anew);
}

struct Seen {
  wire::Line::State state;
  std::string text;
  bool operator==(const Seen&) const = default;
};

// Reads as a session does: what is left unparsed is kept, and a line that is too long is dropped to
// its end.
class Reader {
 public:
  void feed(std::string_view octets) {
    kept_ += octets;
    while (true) {
      const wire::Line line = wire::next_line(kept_);
      require(line.consumed <= kept_.size());
      if (line.state == wire::Line::State::none) break;
      const bool too_long = line.state == wire::Line::State::too_long;
      require(too_long || line.consumed == line.text.size() + 2);
      if (too_long && line.consumed == 0) break;
      if (!dropping_) seen.push_back({line.state, std::string(line.text)});
      dropping_ = too_long;
      kept_.erase(0, line.consumed);
    }
    require(kept_.size() < wire::max_command_line);
  }
  std::vector<Seen> seen;

 private:
  std::string kept_;
  bool dropping_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_command(input);

  Reader whole;
  whole.feed(input);
  for (const Seen& line : whole.seen) {
    if (line.state == wire::Line::State::complete) check_command(line.text);
  }

  Reader pieces;
  const std::size_t step = size == 0 ? 1 : 1 + data[0] % 64U;
  for (std::size_t at = 0; at < size; at += step) pieces.feed(input.substr(at, step));
  require(pieces.seen == whole.seen);
  return 0;
}
