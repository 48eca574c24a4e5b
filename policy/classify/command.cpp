#include "policy/classify/command.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace postern::classify {
namespace {

struct Sign {
  std::string_view words;
  Command command;
};

constexpr std::array signs{
    Sign{"rcpt", Command::rcpt},
    Sign{"not like recipient", Command::rcpt},
    Sign{"recipient command", Command::rcpt},
    Sign{">>> data", Command::data},
    Sign{"data command", Command::data},
    Sign{"end of data", Command::data},
    Sign{"after data", Command::data},
    Sign{"to data", Command::data},
    Sign{"server after data", Command::data},
    Sign{"pipelined data", Command::data},
    Sign{"smtp:data", Command::data},
    Sign{"\ndata\n", Command::data},
    Sign{"\ndata\r\n", Command::data},
    Sign{"failed after i sent the message", Command::data},
};

}  // namespace

Command command_of(std::string_view text, std::string_view said) {
  const std::string lower = to_lower(text);
  // RCPT and DATA went out together (RFC 2920): a server that refused RCPT has nobody to take DATA
  // for.
  if (lower.contains("need rcpt")) return Command::rcpt;
  const auto found = said.empty() ? std::string::npos : lower.find(to_lower(said));
  const auto middle = found == std::string::npos ? lower.size() : found;
  Command before = Command::unknown;
  Command behind = Command::unknown;
  std::size_t last = 0;
  std::size_t first = std::string::npos;
  for (const auto& [words, command] : signs) {
    const auto left = lower.rfind(words, middle);
    if (left != std::string::npos && (before == Command::unknown || left > last)) {
      last = left;
      before = command;
    }
    const auto right = lower.find(words, middle);
    if (right != std::string::npos && right < first) {
      first = right;
      behind = command;
    }
  }
  return before != Command::unknown ? before : behind;
}

}  // namespace postern::classify
