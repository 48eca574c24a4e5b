#include "proxy/wire/fields.h"

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

}  // namespace

std::string_view field_name(std::string_view line) {
  line = unstuffed(line);
  const std::size_t colon = line.find(':');
  if (colon == line.npos) return {};
  const std::string_view name = line.substr(0, line.find_last_not_of(blanks, colon - 1) + 1);
  return colon > 0 && std::ranges::all_of(name, is_name_octet) ? name : std::string_view();
}

bool continues_field(std::string_view text) {
  text = unstuffed(text);
  return !text.empty() && is_blank(text.front());
}

std::string_view FieldWalk::take_line() {
  const std::size_t end = section_.find(crlf, at_);
  const std::string_view line = section_.substr(at_, end - at_);
  at_ = end == std::string_view::npos ? section_.size() : end + crlf.size();
  return line;
}

std::optional<Field> FieldWalk::next() {
  while (at_ < section_.size()) {
    const std::size_t begin = at_;
    const std::string_view line = take_line();
    if (continues_field(line)) continue;
    const std::string_view name = field_name(line);
    if (name.empty()) break;
    while (continues_field(section_.substr(at_))) static_cast<void>(take_line());
    const std::size_t body = section_.find(':', begin) + 1;
    std::string_view folded = section_.substr(body, at_ - body);
    if (folded.ends_with(crlf)) folded.remove_suffix(crlf.size());
    return Field{.name = name, .octets = {.begin = begin, .end = at_}, .folded = folded};
  }
  at_ = section_.size();
  return std::nullopt;
}

std::string unfolded(std::string_view folded, std::size_t limit) {
  std::string body;
  for (bool first = true; !folded.empty() && body.size() <= limit; first = false) {
    const std::size_t end = folded.find(crlf);
    std::string_view line = folded.substr(0, end);
    if (!first) line = unstuffed(line);
    folded.remove_prefix(end == std::string_view::npos ? folded.size() : end + crlf.size());
    if (body.empty()) line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    body += line.substr(0, limit - body.size() + 1);
  }
  if (body.size() > limit) {
    std::size_t end = limit;
    while (end > 0 && is_inside_character(body[end])) --end;
    body.resize(end);
  }
  body.resize(body.find_last_not_of(blanks) + 1);
  return body;
}

}  // namespace postern::wire
