#include "base/log.h"

#include "base/log_batch.h"
#include "base/text.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <spdlog/details/os.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
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

constexpr const char* pattern = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";

// A thread's lines that are not written yet.
struct Waiting {
  const std::function<void()>* later = nullptr;  // null: the thread has no batch
  spdlog::memory_buf_t lines;
  spdlog::pattern_formatter formatter{pattern, spdlog::pattern_time_type::utc};
  // What stands in front of a line, formatted: a burst of mail has many in one millisecond.
  spdlog::memory_buf_t front;
  std::chrono::time_point<spdlog::log_clock, std::chrono::milliseconds> front_time;
  spdlog::level::level_enum front_level = spdlog::level::off;
};
constexpr std::size_t most_waiting = 64UL * 1024;

Waiting& waiting() {
  thread_local Waiting own;
  return own;
}

void append_line(Waiting& own, spdlog::level::level_enum level, std::string_view text) {
  const auto now = spdlog::log_clock::now();
  const auto time = std::chrono::floor<std::chrono::milliseconds>(now);
  if (time != own.front_time || level != own.front_level) {
    own.front.clear();
    own.formatter.format({now, {}, {}, level, {}}, own.front);
    own.front.resize(own.front.size() - std::strlen(spdlog::details::os::default_eol));
    own.front_time = time;
    own.front_level = level;
  }
  own.lines.append(own.front);
  own.lines.append(text);
  own.lines.append(std::string_view(spdlog::details::os::default_eol));
}

// stderr's own lock keeps lines whole beside those of other threads.
void write_out(Waiting& own) {
  if (own.lines.size() == 0) return;
  std::fwrite(own.lines.data(), 1, own.lines.size(), stderr);
  own.lines.clear();
}

// Never destroyed: a thread that outlives main may still have a line to write.
spdlog::logger& logger() {
  static spdlog::logger& made = *[] {
    auto log = std::make_unique<spdlog::logger>("postern",
                                                std::make_shared<spdlog::sinks::stderr_sink_mt>());
    log->set_pattern(pattern, spdlog::pattern_time_type::utc);
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
  Waiting& own = waiting();
  if (own.later == nullptr) {
    logger().log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
    return;
  }
  if (!enabled(level)) return;
  const bool first = own.lines.size() == 0;
  append_line(own, to_spdlog(level), line);
  if (level >= Level::warning || own.lines.size() >= most_waiting) {
    write_out(own);
  } else if (first) {
    (*own.later)();
  }
}

Batch::Batch(std::function<void()> later) : later_(std::move(later)) { waiting().later = &later_; }

Batch::~Batch() {
  flush();
  waiting().later = nullptr;
}

void Batch::flush() { write_out(waiting()); }

}  // namespace postern::log
