#include "policy/classify/named_host.h"

#include "base/text.h"
#include "policy/domain.h"

#include <algorithm>
#include <array>
#include <string>

namespace postern::classify {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_host_character(char c) {
  return is_upper(c) || is_lower(c) || is_digit(c) || c == '-' || c == '.' || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80U) != 0;
}

// "ROUTING.NonexistentDomain": a word of Exchange.
bool is_symbol(std::string_view name) {
  const auto first = name.substr(0, name.find('.'));
  return std::ranges::all_of(first, is_upper) && std::ranges::any_of(name, is_lower);
}

bool ends_like_a_host(std::string_view name) {
  const auto last = name.substr(name.rfind('.') + 1);
  return last.size() > 1 && std::ranges::none_of(last.substr(0, 1), is_digit);
}

// "This is the mail system at mx.example.net", "While talking to mx.example.net".
bool stands_behind_a_speaker(std::string_view before) {
  constexpr std::array<std::string_view, 4> words{" at ", " by ", " from ", " talking to "};
  return std::ranges::any_of(words, [&](std::string_view word) {
    return before.size() >= word.size() &&
           equal_nocase(before.substr(before.size() - word.size()), word);
  });
}

// [begin, end) of the text is a run of characters of host names.
bool stands_as_host(std::string_view text, std::size_t begin, std::size_t end) {
  const std::string_view before = text.substr(0, begin);
  const std::string_view after = trim(text.substr(end, 3));
  if (before.ends_with('@') || before.ends_with('/') || after.starts_with('@')) return false;
  const bool has_address =
      after.size() > 1 && (after[0] == '[' || after[0] == '(') && is_digit(after[1]);
  if (has_address || stands_behind_a_speaker(before)) return false;
  const std::string_view name = text.substr(begin, end - begin);
  // Postfix: "Name service error for name=relay type=A".
  if (before.ends_with("name=")) return true;
  return name.contains('.') && ends_like_a_host(name) && !is_symbol(name);
}

std::string normal_domain(std::string_view domain) {
  return policy::parse_domain(domain).value_or(to_lower(domain));
}

bool is_or_is_above(std::string_view name, std::string_view domain) {
  if (!domain.ends_with(name)) return false;
  const auto rest = domain.substr(0, domain.size() - name.size());
  return rest.empty() || rest.ends_with('.');
}

}  // namespace

bool names_other_host(std::string_view text, std::string_view recipient,
                      std::string_view reporter) {
  const auto sign = recipient.rfind('@');
  if (sign == std::string_view::npos) return false;
  const std::string domain = normal_domain(recipient.substr(sign + 1));
  bool other = false;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_host_character(text[at])) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && is_host_character(text[at])) ++at;
    std::size_t end = at;
    while (end > begin && text[end - 1] == '.') --end;
    if (!stands_as_host(text, begin, end)) continue;
    const std::string name = normal_domain(text.substr(begin, end - begin));
    if (is_or_is_above(name, domain)) return false;
    other = other || !equal_nocase(name, reporter);
  }
  return other;
}

}  // namespace postern::classify
