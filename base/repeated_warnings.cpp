#include "base/repeated_warnings.h"

#include "base/log.h"

#include <fmt/format.h>

namespace postern {

namespace {

constexpr std::size_t most_kinds = 256;
constexpr const char* many_kinds = "more kinds of warnings than are told apart";

}  // namespace

void RepeatedWarnings::warn(const std::string& what, std::string_view details,
                            Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  const bool room = minutes_.size() < most_kinds || minutes_.contains(what);
  const auto [minute, first] =
      minutes_.try_emplace(room ? what : many_kinds, Minute{.end = now + std::chrono::minutes{1}});
  if (!first) {
    ++minute->second.unsaid;
  } else {
    log::warning(room ? fmt::format("{}{}", what, details) : many_kinds);
  }
}

void RepeatedWarnings::look(Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  for (auto entry = minutes_.begin(); entry != minutes_.end();) {
    auto& [what, minute] = *entry;
    if (now < minute.end) {
      ++entry;
    } else if (minute.unsaid == 0) {
      entry = minutes_.erase(entry);
    } else {
      log::warning(fmt::format("{} ({} more times within the last minute)", what, minute.unsaid));
      minute = {.end = now + std::chrono::minutes{1}, .unsaid = 0};
      ++entry;
    }
  }
}

}  // namespace postern
