#include "policy/return_mail/status.h"

#include "base/text.h"

#include <algorithm>
#include <array>

namespace postern::return_mail {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || c == '_';
}

// Digits at `at`; 0: none, or more than three.
std::size_t digits(std::string_view text, std::size_t at) {
  std::size_t count = 0;
  while (at + count < text.size() && is_digit(text[at + count]) && count < 4) ++count;
  return count < 4 ? count : 0;
}

// Length of "c.sss.ddd" at `at`, where a class stands; 0: none.
std::size_t status_length(std::string_view text, std::size_t at) {
  const std::size_t subject = digits(text, at + 2);
  const std::size_t dot = at + 2 + subject;
  if (text[at + 1] != '.' || subject == 0 || dot >= text.size() || text[dot] != '.') return 0;
  const std::size_t detail = digits(text, dot + 1);
  const std::size_t end = dot + 1 + detail;
  if (detail == 0) return 0;
  if (end < text.size() && (is_word(text[end]) || text[end] == '@')) return 0;
  if (end + 1 < text.size() && (text[end] == '.' || text[end] == '-') && is_word(text[end + 1]))
    return 0;
  return end - at;
}

bool may_begin(std::string_view text, std::size_t at) {
  if (at == 0) return true;
  const char before = text[at - 1];
  return !is_word(before) && before != '.' && before != '@' && before != '/' &&
         (before != '-' || (at > 3 && is_digit(text[at - 2])));
}

}  // namespace

std::string find_status(std::string_view text) {
  std::string_view generic, success;
  for (std::size_t at = 0; at + 4 < text.size(); ++at) {
    const char c = text[at];
    if ((c != '2' && c != '4' && c != '5') || !may_begin(text, at)) continue;
    const std::size_t length = status_length(text, at);
    if (length == 0) continue;
    const std::string_view code = text.substr(at, length);
    if (c == '2') {
      if (success.empty()) success = code;
    } else if (code.substr(1) != ".0.0") {
      return std::string(code);
    } else if (generic.empty()) {
      generic = code;
    }
  }
  return std::string(generic.empty() ? success : generic);
}

int find_reply_code(std::string_view line) {
  for (std::size_t at = 0; at + 3 <= line.size(); ++at) {
    if ((line[at] != '4' && line[at] != '5') || line[at + 1] > '5' || !may_begin(line, at))
      continue;
    if (digits(line, at) != 3) continue;
    const char behind = at + 3 < line.size() ? line[at + 3] : ' ';
    if (is_word(behind) || behind == '.' || behind == '/' || behind == '@') continue;
    return (line[at] - '0') * 100 + (line[at + 1] - '0') * 10 + (line[at + 2] - '0');
  }
  return 0;
}

std::string find_host(std::string_view text) {
  constexpr std::array<std::string_view, 2> marks{"host ", "Host "};
  for (const auto mark : marks) {
    for (std::size_t at = text.find(mark); at != std::string_view::npos;
         at = text.find(mark, at + 1)) {
      if (at > 0 && is_word(text[at - 1])) continue;
      const std::string_view rest = text.substr(at + mark.size(), 256);
      const auto* const end =
          std::ranges::find_if_not(rest, [](char c) { return is_word(c) || c == '.' || c == '-'; });
      const std::string_view host = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
      if (host.contains('.') && host.size() > 3) return std::string(host);
    }
  }
  return {};
}

}  // namespace postern::return_mail
