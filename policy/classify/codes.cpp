#include "policy/classify/codes.h"

#include "base/text.h"

#include <algorithm>
#include <charconv>

namespace postern::classify {
namespace {

constexpr std::uint16_t max_subject = 7;  // RFC 3463 section 2, and what the registry holds
constexpr std::uint16_t max_detail = 999;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }

std::optional<std::uint16_t> parse_number(std::string_view text) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::array<std::string_view, 3>> three_parts(std::string_view text) {
  const auto first = text.find('.');
  if (first == text.npos) return std::nullopt;
  const auto second = text.find('.', first + 1);
  if (second == text.npos) return std::nullopt;
  return std::array{text.substr(0, first), text.substr(first + 1, second - first - 1),
                    text.substr(second + 1)};
}

// "Exim 4.7.1", "version 5.0.1": programs that say their version where others say a code.
bool names_a_version(std::string_view before) {
  while (before.ends_with(' ')) before.remove_suffix(1);
  std::size_t begin = before.size();
  while (begin > 0 && is_letter(before[begin - 1])) --begin;
  const auto word = to_lower(before.substr(begin));
  constexpr std::array<std::string_view, 10> words{"version", "ver",   "v",     "exim",   "mdaemon",
                                                   "release", "build", "imail", "zimbra", "rev"};
  return std::ranges::find(words, word) != words.end();
}

// A run of digits and dots, [begin, end) of the text.
std::optional<EnhancedCode> code_at(std::string_view text, std::size_t begin, std::size_t end) {
  while (end > begin && text[end - 1] == '.') --end;
  if (begin > 0) {
    const char before = text[begin - 1];
    // "550-5.7.1" is a code, "mx-5.1.1" and "x/5.1.1" are none.
    const bool continued = before == '-' && begin > 1 && is_digit(text[begin - 2]);
    if (is_letter(before) || before == '/' || before == '_' || before == '@' ||
        (before == '-' && !continued)) {
      return std::nullopt;
    }
  }
  if (end < text.size()) {
    const char after = text[end];
    if (is_letter(after) || after == '_' || after == '@' || after == '/') return std::nullopt;
    if (after == '-' && end + 1 < text.size() && is_digit(text[end + 1])) return std::nullopt;
  }
  const auto code = parse_enhanced_code(text.substr(begin, end - begin));
  if (code && names_a_version(text.substr(0, begin))) return std::nullopt;
  return code;
}

std::optional<CodePattern::Range> parse_range(std::string_view text, std::uint16_t most) {
  if (text == "*") return CodePattern::Range{0, most};
  const auto dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash));
  const auto last = dash == text.npos ? first : parse_number(text.substr(dash + 1));
  if (!first || !last || *first > *last || *last > most) return std::nullopt;
  return CodePattern::Range{*first, *last};
}

bool within(const CodePattern::Range& range, int value) {
  return value >= range.first && value <= range.last;
}

}  // namespace

int EnhancedCode::detail() const {
  if (parts[1] == 0 && parts[2] == 0) return 0;
  const bool expired = parts[1] == 4 && parts[2] == 7;
  return parts[2] == 0 || expired ? 1 : 2;
}

std::string to_string(const EnhancedCode& code) {
  return std::to_string(code.parts[0]) + '.' + std::to_string(code.parts[1]) + '.' +
         std::to_string(code.parts[2]);
}

std::optional<EnhancedCode> parse_enhanced_code(std::string_view text) {
  const auto parts = three_parts(text);
  if (!parts) return std::nullopt;
  EnhancedCode code;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto number = parse_number((*parts)[i]);
    if (!number) return std::nullopt;
    code.parts[i] = *number;
  }
  const bool failure = code.parts[0] == 4 || code.parts[0] == 5;
  if (!failure || code.parts[1] > max_subject) return std::nullopt;
  return code;
}

bool is_enhanced_code(std::string_view text) { return parse_enhanced_code(text).has_value(); }

std::vector<EnhancedCode> enhanced_codes(std::string_view text) {
  std::vector<EnhancedCode> codes;
  std::size_t at = 0;
  while (at < text.size()) {
    if (!is_digit(text[at])) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && (is_digit(text[at]) || text[at] == '.')) ++at;
    if (const auto code = code_at(text, begin, at)) codes.push_back(*code);
  }
  return codes;
}

std::optional<EnhancedCode> counting_code(std::string_view field, std::string_view diagnostic) {
  std::optional<EnhancedCode> best;
  const auto weigh = [&best](const std::vector<EnhancedCode>& codes) {
    for (const auto& code : codes) {
      if (!best || code.detail() > best->detail()) best = code;
    }
  };
  weigh(enhanced_codes(diagnostic));
  // A reporter that got no such code makes one of the reply's three digits.
  weigh(enhanced_codes(field));
  return best;
}

std::vector<std::uint16_t> reply_codes(std::string_view text) {
  std::vector<std::uint16_t> codes;
  for (std::size_t at = 0; at + 3 <= text.size(); ++at) {
    if (!is_digit(text[at])) continue;
    std::size_t end = at;
    while (end < text.size() && is_digit(text[end])) ++end;
    const bool begins = at == 0 || std::string_view(" \t\r\n;:(<'\"[").contains(text[at - 1]);
    const bool ends =
        end == text.size() || std::string_view(" \t\r\n-:;,)>'\"").contains(text[end]);
    if (end - at == 3 && begins && ends && (text[at] == '4' || text[at] == '5') &&
        text[at + 1] <= '5') {
      codes.push_back(*parse_number(text.substr(at, 3)));
    }
    at = end - 1;
  }
  return codes;
}

bool CodePattern::matches(const std::optional<EnhancedCode>& code) const {
  // Class 0, which no code has, stands for "none".
  if (!code) return parts[0].last == 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!within(parts[i], code->parts[i])) return false;
  }
  return true;
}

bool CodePattern::matches(std::uint16_t reply) const {
  return within(parts[0], reply / 100) && within(parts[1], reply / 10 % 10) &&
         within(parts[2], reply % 10);
}

std::optional<CodePattern> parse_status_pattern(std::string_view text) {
  if (text == "none") return CodePattern{};
  const auto parts = three_parts(text);
  if (!parts) return std::nullopt;
  constexpr std::array<std::uint16_t, 3> most{5, max_subject, max_detail};
  CodePattern pattern;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto range = parse_range((*parts)[i], most[i]);
    if (!range) return std::nullopt;
    pattern.parts[i] = *range;
  }
  if (pattern.parts[0].first == 0) pattern.parts[0].first = 4;
  return pattern.parts[0].first < 4 ? std::nullopt : std::optional(pattern);
}

std::optional<CodePattern> parse_reply_pattern(std::string_view text) {
  if (text.size() != 3 || (text[0] != '4' && text[0] != '5')) return std::nullopt;
  CodePattern pattern;
  for (std::size_t i = 0; i < 3; ++i) {
    const char c = ascii_lower(text[i]);
    if (c != 'x' && !is_digit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint16_t>(c - '0');
    pattern.parts[i] = c == 'x' ? CodePattern::Range{0, 9} : CodePattern::Range{digit, digit};
  }
  return pattern;
}

}  // namespace postern::classify
