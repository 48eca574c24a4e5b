#include "store/utf8.h"

#include "base/text.h"

#include <cstdint>

namespace postern::store {
namespace {

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

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
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

std::string kept_text(std::string_view text, std::size_t limit) {
  if (text.contains('\0') || !is_utf8(text)) return printable(text, limit);
  if (text.size() <= limit) return std::string(text);
  std::size_t end = limit;
  while (end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xC0U) == 0x80) --end;
  return std::string(text.substr(0, end));
}

}  // namespace postern::store
