#include "store/rows/encoding.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace postern::rows {
namespace {

constexpr char32_t replacement = 0xFFFD;

struct Lead {
  std::size_t length = 0;  // 0: no character begins so
  std::uint8_t low = 0x80,
               high = 0xBF;  // of the second octet: where overlong forms and surrogates show
};

Lead lead(std::uint8_t octet) {
  if (octet < 0x80) return {1};
  if (octet < 0xC2) return {};
  if (octet < 0xE0) return {2};
  if (octet == 0xE0) return {3, 0xA0, 0xBF};
  if (octet == 0xED) return {3, 0x80, 0x9F};
  if (octet < 0xF0) return {3};
  if (octet == 0xF0) return {4, 0x90, 0xBF};
  if (octet < 0xF4) return {4};
  if (octet == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

// 0x80 to 0x9F, where Windows-1252 is not ISO-8859-1.
constexpr std::array<char16_t, 32> windows1252_high{
    0x20AC, 0xFFFD, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0xFFFD, 0x017D, 0xFFFD, 0xFFFD, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0xFFFD, 0x017E, 0x0178};

void append_utf8(std::string& out, char32_t c) {
  const auto octet = [&](char32_t value) { out += static_cast<char>(value); };
  const auto rest = [&](unsigned shift) { octet(0x80U | ((c >> shift) & 0x3FU)); };
  if (c < 0x80) {
    octet(c);
  } else if (c < 0x800) {
    octet(0xC0U | (c >> 6U));
    rest(0);
  } else if (c < 0x10000) {
    octet(0xE0U | (c >> 12U));
    rest(6);
    rest(0);
  } else {
    octet(0xF0U | (c >> 18U));
    rest(12);
    rest(6);
    rest(0);
  }
}

bool is_high_surrogate(char32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low_surrogate(char32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

// Every second octet a NUL: Latin text in UTF-16, whatever else its rows hold.
Encoding without_mark(std::string_view text, bool whole) {
  const std::string_view sample = text.substr(0, 4096);
  const std::size_t pairs = sample.size() / 2;
  std::size_t even = 0;
  std::size_t odd = 0;
  for (std::size_t i = 0; i < pairs; ++i) {
    even += sample[2 * i] == '\0' ? 1U : 0U;
    odd += sample[2 * i + 1] == '\0' ? 1U : 0U;
  }
  if (pairs >= 2 && odd * 2 >= pairs && even * 10 <= pairs) return Encoding::utf16_le;
  if (pairs >= 2 && even * 2 >= pairs && odd * 10 <= pairs) return Encoding::utf16_be;
  for (std::size_t cut = 0; cut < 4 && cut <= text.size(); ++cut) {
    if (is_utf8(text.substr(0, text.size() - cut))) return Encoding::utf8;
    if (whole) break;
  }
  return Encoding::windows1252;
}

// Octets at the beginning, by eights, that are ASCII and no NUL.
std::size_t ascii_words(std::string_view text) {
  constexpr std::uint64_t high_bits = 0x8080808080808080;
  constexpr std::uint64_t low_bits = 0x0101010101010101;
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if (((word | (word - low_bits)) & high_bits) != 0) break;
  }
  return at;
}

}  // namespace

std::string_view to_string(Encoding encoding) {
  switch (encoding) {
    case Encoding::utf16_le:
      return "UTF-16LE";
    case Encoding::utf16_be:
      return "UTF-16BE";
    case Encoding::windows1252:
      return "Windows-1252";
    case Encoding::utf8:
      break;
  }
  return "UTF-8";
}

Beginning encoding_of(std::string_view text, bool whole) {
  if (text.starts_with("\xEF\xBB\xBF")) return {Encoding::utf8, 3};
  if (text.starts_with("\xFF\xFE")) return {Encoding::utf16_le, 2};
  if (text.starts_with("\xFE\xFF")) return {Encoding::utf16_be, 2};
  return {without_mark(text, whole), 0};
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = ascii_words(text); at < text.size();) {
    const Lead first = lead(static_cast<std::uint8_t>(text[at]));
    if (first.length == 0 || first.length > text.size() - at) return false;
    for (std::size_t i = 1; i < first.length; ++i) {
      const auto octet = static_cast<std::uint8_t>(text[at + i]);
      if (octet < (i == 1 ? first.low : 0x80) || octet > (i == 1 ? first.high : 0xBF)) return false;
    }
    at += first.length;
  }
  return true;
}

Text text_kind(std::string_view text) {
  const std::size_t at = ascii_words(text);
  const auto plain = [](char c) { return static_cast<signed char>(c) > 0; };
  if (std::ranges::all_of(text.substr(at), plain)) return Text::ascii;
  if (text.contains('\0')) return Text::has_nul;
  return is_utf8(text) ? Text::utf8 : Text::other;
}

void from_windows1252(std::string_view text, std::string& out) {
  out.clear();
  for (const char c : text) {
    const auto octet = static_cast<std::uint8_t>(c);
    const bool high = octet >= 0x80 && octet < 0xA0;
    append_utf8(out, high ? windows1252_high[octet - 0x80U] : octet);
  }
}

std::size_t append_from_utf16(std::string_view text, bool little_endian, bool last,
                              std::string& out) {
  const auto unit = [&](std::size_t at) {
    const auto first = static_cast<std::uint8_t>(text[at]);
    const auto second = static_cast<std::uint8_t>(text[at + 1]);
    return static_cast<char32_t>(little_endian ? first | second << 8U : second | first << 8U);
  };
  std::size_t at = 0;
  while (at + 2 <= text.size()) {
    const char32_t one = unit(at);
    if (is_high_surrogate(one)) {
      if (at + 4 > text.size() && !last) return at;
      const char32_t two = at + 4 <= text.size() ? unit(at + 2) : 0;
      if (is_low_surrogate(two)) {
        append_utf8(out, 0x10000U + ((one - 0xD800U) << 10U) + (two - 0xDC00U));
        at += 4;
        continue;
      }
    }
    append_utf8(out, is_high_surrogate(one) || is_low_surrogate(one) ? replacement : one);
    at += 2;
  }
  if (last && at < text.size()) {
    append_utf8(out, replacement);
    ++at;
  }
  return at;
}

}  // namespace postern::rows
