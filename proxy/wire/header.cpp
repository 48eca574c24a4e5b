#include "proxy/wire/header.h"

#include "base/text.h"
#include "proxy/wire/fields.h"

namespace postern::wire {
namespace {

constexpr std::string_view crlf = "\r\n";

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
    const std::string_view line = octets.substr(start, end - start);
    if (!continues_field(line) && field_name(line).empty()) return start;
    start = end + crlf.size();
  }
}

std::size_t count_fields(std::string_view header_section, std::string_view name) {
  std::size_t count = 0;
  FieldWalk walk(header_section);
  while (const auto field = walk.next()) {
    if (equal_nocase(field->name, name)) ++count;
  }
  return count;
}

std::string field_body(std::string_view header_section, std::string_view name, std::size_t limit) {
  FieldWalk walk(header_section);
  while (const auto field = walk.next()) {
    if (equal_nocase(field->name, name)) return unfolded(field->folded, limit);
  }
  return {};
}

bool begins_folded(std::string_view header_section) { return continues_field(header_section); }

}  // namespace postern::wire
