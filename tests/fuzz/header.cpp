// The header section against a plain reading of it, line by line.
#include "proxy/wire/header.h"

#include "base/text.h"

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

// The lines as a reader of the message has them: without the dot that was put in front for the way.
std::vector<std::string> lines_of(std::string_view section) {
  std::vector<std::string> lines;
  while (!section.empty()) {
    const std::size_t end = std::min(section.find("\r\n"), section.size());
    lines.emplace_back(
        section.substr(section.starts_with('.') ? 1 : 0, end - (section.starts_with('.') ? 1 : 0)));
    section.remove_prefix(std::min(section.size(), end + 2));
  }
  return lines;
}

std::size_t plain_count(std::string_view section, std::string_view name) {
  std::size_t count = 0;
  for (const std::string& line : lines_of(section)) {
    if (line.starts_with(' ') || line.starts_with('\t')) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) break;
    std::string field = line.substr(0, colon);
    while (field.ends_with(' ') || field.ends_with('\t')) field.pop_back();
    if (field.empty() || !std::ranges::all_of(field, [](char c) { return c > ' ' && c <= '~'; }))
      break;
    if (postern::equal_nocase(field, name)) ++count;
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = wire::header_end(input, 0);
  require(end == std::string_view::npos || end == 0 ||
          (end <= size && input.substr(0, end).ends_with("\r\n")));

  const std::size_t step = size == 0 ? 1 : 1 + data[0] % 16U;
  std::size_t seen = 0;
  std::size_t found = std::string_view::npos;
  while (found == std::string_view::npos && seen < size) {
    const std::size_t now = std::min(size, seen + step);
    found = wire::header_end(input.substr(0, now), seen);
    seen = now;
  }
  require(found == end);

  const std::string_view section = input.substr(0, end);
  require(wire::count_fields(section, "Received") == plain_count(section, "Received"));
  require(wire::count_fields(section, "a") == plain_count(section, "a"));
  const std::vector<std::string> lines = lines_of(section);
  const bool folded = !lines.empty() && (lines[0].starts_with(' ') || lines[0].starts_with('\t'));
  require(wire::begins_folded(section) == folded);
  return 0;
}
