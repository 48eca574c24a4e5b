#include "proxy/wire/header.h"

#include "base/text.h"

#include <algorithm>

namespace postern::wire {
namespace {

constexpr std::string_view crlf = "\r\n";

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// RFC 5322 section 3.6.8: printable, no colon.
bool is_name_octet(char c) { return c > ' ' && c <= '~' && c != ':'; }

// What the line is for the one who reads the message: a dot in front was put there for the way.
std::string_view unstuffed(std::string_view line) {
  return line.starts_with('.') ? line.substr(1) : line;
}

// The name of the field that the line begins; empty where it begins none.
std::string_view field_name(std::string_view line) {
  const auto name_end = std::ranges::find_if_not(line, is_name_octet);
  const auto colon = std::find_if_not(name_end, line.end(), is_blank);
  if (colon == line.end() || *colon != ':') return {};
  return {line.begin(), name_end};
}

}  // namespace

std::size_t header_end(std::string_view octets, std::size_t from) {
  constexpr std::size_t none = std::string_view::npos;
  // The line that `from` stands in was not whole before.
  const std::size_t last = from < crlf.size() ? none : octets.rfind(crlf, from - crlf.size());
  std::size_t start = last == none ? 0 : last + crlf.size();
  for (;;) {
    const std::size_t end = octets.find(crlf, start);
    if (end == none) return none;
    if (end == start) return end + crlf.size();
    const std::string_view line = unstuffed(octets.substr(start, end - start));
    const bool continues = !line.empty() && is_blank(line.front());
    if (!continues && field_name(line).empty()) return start;
    start = end + crlf.size();
  }
}

std::size_t count_fields(std::string_view header_section, std::string_view name) {
  std::size_t count = 0;
  while (!header_section.empty()) {
    const std::size_t end = header_section.find(crlf);
    const std::string_view line = unstuffed(header_section.substr(0, end));
    header_section.remove_prefix(end == std::string_view::npos ? header_section.size()
                                                               : end + crlf.size());

    if (!line.empty() && is_blank(line.front())) continue;
    const std::string_view found = field_name(line);
    if (found.empty()) break;
    if (equal_nocase(found, name)) ++count;
  }
  return count;
}

bool begins_folded(std::string_view header_section) {
  const std::string_view first = unstuffed(header_section);
  return !first.empty() && is_blank(first.front());
}

}  // namespace postern::wire
