// The log: one line an event, to standard error, "key=value" in order, the session's id first where
// there is one. No message content, no secrets; a peer's text goes through printable() first.
// spdlog's levels; a client's fault is never an error.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace postern::log {

enum class Level { debug, info, warning, error };
[[nodiscard]] Result<Level> parse_level(std::string_view name);

// Once, in main, before any thread. Lines below `level` are not composed: ask enabled() first where
// that costs.
void start(Level level);
void set_level(Level level);
[[nodiscard]] bool enabled(Level level);
void write(Level level, std::string_view line);

inline void debug(std::string_view line) { write(Level::debug, line); }
inline void info(std::string_view line) { write(Level::info, line); }
inline void warning(std::string_view line) { write(Level::warning, line); }
inline void error(std::string_view line) { write(Level::error, line); }

}  // namespace postern::log
