#include "base/config_values.h"

#include "base/network.h"
#include "base/text.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include <fmt/format.h>

namespace postern::config {
namespace {

constexpr std::size_t longest_key = 40;  // longer ones are no slip of a known one

bool is_name_character(char c) {
  const char lower = ascii_lower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

bool is_blank_or_control(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet <= ' ' || octet == 0x7f;
}

// Levenshtein's distance: insertions, deletions and replacements that make one of the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string check_name(std::string_view name) {
  if (name.empty()) return "may not be empty";
  if (name.size() > max_name) {
    return fmt::format("'{}' is longer than {} octets", printable(name, 20), max_name);
  }
  if (!std::ranges::all_of(name, is_name_character)) {
    return fmt::format("'{}' holds other characters than letters, digits, '.', '_' and '-'",
                       printable(name, 80));
  }
  return {};
}

std::string check_stream_name(std::string_view name) {
  if (name == "all") return "'all' is reserved: it stands for every stream";
  return check_name(name);
}

std::string check_sender_pattern(std::string_view pattern) {
  static constexpr std::string_view allowed = "write *@news.example.com or the like";
  if (pattern.empty()) return fmt::format("a pattern may not be empty: {}", allowed);
  const auto shown = printable(pattern, 80);
  if (std::ranges::any_of(pattern, is_blank_or_control)) {
    return fmt::format("'{}' holds a blank: {}", shown, allowed);
  }
  if (std::ranges::count(pattern, '@') > 1) {
    return fmt::format("'{}' holds more than one '@': {}", shown, allowed);
  }
  return {};
}

std::string check_domain(std::string_view domain) {
  const auto shown = printable(domain, 80);
  if (!is_ascii(domain)) {
    return fmt::format("'{}' is not ASCII: write its A-labels (xn--...)", shown);
  }
  if (!is_host_name(domain)) {
    return fmt::format("'{}' is no domain name: write example.com or the like", shown);
  }
  return {};
}

std::string_view nearest(std::string_view key, std::span<const std::string_view> known) {
  if (key.size() > longest_key) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, key.size() / 3) + 1;
  for (const auto candidate : known) {
    const auto distance = edit_distance(to_lower(key), candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace postern::config
