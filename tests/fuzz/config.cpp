// The configuration file: whatever it holds, it is a configuration or a list of problems in order,
// each one line.
#include "base/config.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = postern::parse_config(text);
  if (config) {
    if (config->listeners.empty()) std::abort();
    return 0;
  }
  const auto& problems = config.error();
  if (problems.empty() || !std::ranges::is_sorted(problems, {}, &postern::ConfigProblem::line)) {
    std::abort();
  }
  for (const auto& problem : problems) {
    const auto line = postern::to_string(problem, "f");
    if (line.find_first_of("\r\n") != std::string::npos || problem.text.empty()) std::abort();
  }
  return 0;
}
