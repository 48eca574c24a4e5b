#include "policy/base32.h"

#include "base/text.h"

namespace postern::policy {
namespace {

constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr unsigned no_digit = 32;

unsigned digit_of(char c) {
  const char lower = ascii_lower(c);
  if (lower >= 'a' && lower <= 'z') return static_cast<unsigned>(lower - 'a');
  if (lower >= '2' && lower <= '7') return static_cast<unsigned>(lower - '2') + 26;
  return no_digit;
}

}  // namespace

std::string to_base32(std::span<const std::uint8_t> octets) {
  std::string text;
  text.reserve(base32_size(octets.size()));
  unsigned bits = 0;
  unsigned count = 0;
  for (const std::uint8_t octet : octets) {
    bits = (bits << 8U | octet) & 0xFFFU;
    for (count += 8; count >= 5; count -= 5) text += alphabet[bits >> (count - 5) & 31U];
  }
  if (count > 0) text += alphabet[bits << (5 - count) & 31U];
  return text;
}

std::optional<std::vector<std::uint8_t>> from_base32(std::string_view text) {
  std::vector<std::uint8_t> octets;
  octets.reserve(text.size() * 5 / 8);
  unsigned bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const unsigned digit = digit_of(c);
    if (digit == no_digit) return std::nullopt;
    bits = (bits << 5U | digit) & 0xFFFU;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    octets.push_back(static_cast<std::uint8_t>(bits >> count));
  }
  const bool stray = (bits & ((1U << count) - 1)) != 0;
  if (count >= 5 || stray) return std::nullopt;
  return octets;
}

}  // namespace postern::policy
