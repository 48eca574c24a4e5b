// Which SMTP command was refused. "User unknown" says what it says in answer to RCPT; after DATA a
// filter says it of a message that it does not want.
#pragma once

#include <cstdint>
#include <string_view>

namespace postern::classify {

enum class Command : std::uint8_t { unknown, rcpt, data };

// As reporters tell it: "(in reply to RCPT TO command)", ">>> DATA", "after end of data". Of
// several the last in front of `said` counts, or else the first behind it; where `said` does not
// stand in the text, the last of all. Linear.
[[nodiscard]] Command command_of(std::string_view text, std::string_view said = {});

}  // namespace postern::classify
