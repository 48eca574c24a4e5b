#include "base/text.h"

#include <algorithm>

namespace postern {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::string_view ellipsis = "...";

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool shown_as_is(char c) { return c >= ' ' && c <= '~'; }

}  // namespace

std::string to_lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), ascii_lower);
  return lower;
}

std::string to_upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return upper;
}

bool equal_nocase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, ascii_lower, ascii_lower);
}

bool contains_nocase(std::string_view text, std::string_view part) {
  const auto same = [](char a, char b) { return ascii_lower(a) == ascii_lower(b); };
  return !std::ranges::search(text, part, same).empty() || part.empty();
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// To its end, whatever comes: without a way out of the loop many octets are looked at at once.
bool is_ascii(std::string_view text) {
  unsigned char all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 128;
}

bool has_control(std::string_view text) {
  bool any = false;
  for (const char c : text) any |= static_cast<unsigned char>(c) < ' ' || c == '\x7f';
  return any;
}

std::string printable(std::string_view text, std::size_t limit) {
  if (text.size() <= limit && std::ranges::all_of(text, shown_as_is)) return std::string(text);
  std::string out;
  std::size_t fits = 0;  // of `out`, with room left for the ellipsis
  for (const char c : text) {
    if (shown_as_is(c)) {
      out += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      out += "\\x";
      out += hex_digits[octet >> 4U];
      out += hex_digits[octet & 15U];
    }
    if (out.size() > limit) {
      out.resize(fits);
      if (limit >= ellipsis.size()) out += ellipsis;
      return out;
    }
    if (out.size() + ellipsis.size() <= limit || limit < ellipsis.size()) fits = out.size();
  }
  return out;
}

std::string to_hex(std::span<const std::uint8_t> octets) {
  std::string out;
  out.reserve(octets.size() * 2);
  for (const auto octet : octets) {
    out += hex_digits[octet >> 4U];
    out += hex_digits[octet & 15U];
  }
  return out;
}

}  // namespace postern
