#include "policy/unicode.h"

#include "base/text.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

namespace postern::policy {

namespace {

const std::uint8_t* octets(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

// libunistring hands out memory of malloc's, and nullptr when there is none (the input was checked
// before).
std::string taken(std::uint8_t* result, std::size_t size) {
  const std::unique_ptr<std::uint8_t, decltype(&std::free)> owner(result, &std::free);
  if (!owner) throw std::bad_alloc();
  return {reinterpret_cast<const char*>(result), size};
}

}  // namespace

Character first_character(std::string_view text) {
  ucs4_t value = 0;
  const int size = u8_mbtoucr(&value, octets(text), text.size());
  if (size <= 0) return {};
  return {.value = value, .size = static_cast<std::size_t>(size), .valid = true};
}

bool ends_or_controls_line(char32_t character) {
  return character < 0x20 || (character >= 0x7F && character <= 0x9F) || character == 0x2028 ||
         character == 0x2029;
}

std::string_view unfit_for_address(std::string_view text) {
  constexpr std::string_view control = "it holds a control character";
  if (has_control(text)) return control;
  if (is_ascii(text)) return {};
  while (!text.empty()) {
    const Character character = first_character(text);
    if (!character.valid) return "it is not UTF-8";
    if (ends_or_controls_line(character.value)) return control;
    text.remove_prefix(character.size);
  }
  return {};
}

std::string to_nfc(std::string_view utf8) {
  if (is_ascii(utf8)) return std::string(utf8);
  std::size_t size = 0;
  auto* result = u8_normalize(UNINORM_NFC, octets(utf8), utf8.size(), nullptr, &size);
  return taken(result, size);
}

std::string case_folded(std::string_view utf8) {
  if (is_ascii(utf8)) return to_lower(utf8);
  std::size_t size = 0;
  // Decomposes before it folds: otherwise U+0345, which folds to a letter, would leave something to
  // fold.
  auto* result = u8_casefold(octets(utf8), utf8.size(), nullptr, UNINORM_NFC, nullptr, &size);
  return taken(result, size);
}

}  // namespace postern::policy
