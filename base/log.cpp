#include "base/log.h"

#include "base/text.h"

#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace postern::log {
namespace {

constexpr std::array<std::pair<std::string_view, Level>, 4> level_names{
    {{"debug", Level::debug},
     {"info", Level::info},
     {"warning", Level::warning},
     {"error", Level::error}}};

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      break;
  }
  return spdlog::level::err;
}

// Never destroyed: a thread that outlives main may still have a line to write.
spdlog::logger& logger() {
  static spdlog::logger& made = *[] {
    auto log = std::make_unique<spdlog::logger>("postern",
                                                std::make_shared<spdlog::sinks::stderr_sink_mt>());
    log->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    return log.release();
  }();
  return made;
}

}  // namespace

Result<Level> parse_level(std::string_view name) {
  for (const auto& [known, level] : level_names) {
    if (name == known) return level;
  }
  return fail(Errc::invalid,
              fmt::format("'{}' is no level: debug, info, warning or error", printable(name, 60)));
}

void start(Level level) { set_level(level); }
void set_level(Level level) { logger().set_level(to_spdlog(level)); }
bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view line) {
  logger().log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace postern::log
