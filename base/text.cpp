#include "base/text.h"

#include <algorithm>
#include <cstring>

namespace postern {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::string_view ellipsis = "...";

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Eight octets at a time, each with its uppermost bit as the answer. Where several octets of a word
// are asked about, one above the first that is found may be wrong; whether there is any is not.
constexpr std::uint64_t each(std::uint8_t octet) { return octet * 0x0101010101010101ULL; }
constexpr std::uint64_t upper_bits = each(0x80);
std::uint64_t upper(std::uint64_t word) { return word & upper_bits; }
std::uint64_t zeros(std::uint64_t word) { return (word - each(1)) & ~word & upper_bits; }
std::uint64_t controls(std::uint64_t word) {
  return ((word - each(' ')) & ~word & upper_bits) | zeros(word ^ each(0x7f));
}

std::uint64_t word_at(const char* octets) {
  std::uint64_t word = 0;
  std::memcpy(&word, octets, sizeof word);
  return word;
}

// Whether `found` sees something in any word of the text; the last one overlaps the one before, and
// a short text is filled up with blanks.
template <class Found>
bool any_word(std::string_view text, Found found) {
  constexpr std::size_t width = sizeof(std::uint64_t);
  if (text.empty()) return false;
  if (text.size() < width) {
    std::uint64_t word = each(' ');
    std::memcpy(&word, text.data(), text.size());
    return found(word) != 0;
  }
  std::uint64_t any = found(word_at(text.data() + text.size() - width));
  for (std::size_t i = 0; i + width < text.size(); i += width) {
    any |= found(word_at(text.data() + i));
  }
  return any != 0;
}

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

bool is_ascii(std::string_view text) { return !any_word(text, upper); }
bool has_control(std::string_view text) { return any_word(text, controls); }
bool is_plain(std::string_view text) {
  return !any_word(text, [](std::uint64_t word) { return upper(word) | controls(word); });
}

std::string printable(std::string_view text, std::size_t limit) {
  if (text.size() <= limit && is_plain(text)) return std::string(text);
  std::string out;
  std::size_t fits = 0;  // of `out`, with room left for the ellipsis
  for (const char c : text) {
    if (c >= ' ' && c <= '~') {
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
