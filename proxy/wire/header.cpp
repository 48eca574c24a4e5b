#include "proxy/wire/header.h"

#include "base/text.h"

#include <algorithm>

namespace postern::wire {
namespace {

constexpr std::string_view crlf = "\r\n";
constexpr std::string_view blanks = " \t";

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

bool continues(std::string_view line) { return !line.empty() && is_blank(line.front()); }

// Takes the first line off, and gives it without its CRLF and the dot for the way.
std::string_view take_line(std::string_view& section) {
  const std::size_t end = section.find(crlf);
  const std::string_view line = unstuffed(section.substr(0, end));
  section.remove_prefix(end == std::string_view::npos ? section.size() : end + crlf.size());
  return line;
}

// The octets of UTF-8 that are not the first of their character.
bool is_inside_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80; }

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
    if (!continues(line) && field_name(line).empty()) return start;
    start = end + crlf.size();
  }
}

std::size_t count_fields(std::string_view header_section, std::string_view name) {
  std::size_t count = 0;
  while (!header_section.empty()) {
    const std::string_view line = take_line(header_section);
    if (continues(line)) continue;
    const std::string_view found = field_name(line);
    if (found.empty()) break;
    if (equal_nocase(found, name)) ++count;
  }
  return count;
}

std::string field_body(std::string_view header_section, std::string_view name, std::size_t limit) {
  std::string_view line;
  bool found = false;
  while (!found) {
    if (header_section.empty()) return {};
    line = take_line(header_section);
    if (continues(line)) continue;
    const std::string_view here = field_name(line);
    if (here.empty()) return {};
    found = equal_nocase(here, name);
  }
  std::string body;
  for (line.remove_prefix(line.find(':') + 1);; line = take_line(header_section)) {
    if (body.empty()) line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    body += line.substr(0, limit + 1 - body.size());
    if (body.size() > limit || !continues(unstuffed(header_section))) break;
  }
  if (body.size() > limit) {
    std::size_t end = limit;
    while (end > 0 && is_inside_character(body[end])) --end;
    body.resize(end);
  }
  body.resize(body.find_last_not_of(blanks) + 1);
  return body;
}

bool begins_folded(std::string_view header_section) { return continues(unstuffed(header_section)); }

}  // namespace postern::wire
