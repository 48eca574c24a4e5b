#include "store/rows/names.h"

#include "base/config_values.h"
#include "base/text.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace postern::rows {
namespace {

// U+00C0 to U+00FF without their accents; a blank for what is no letter.
constexpr std::string_view latin1_letters =
    "aaaaaaaceeeeiiiidnooooo ouuuuytsaaaaaaaceeeeiiiidnooooo ouuuuyty";

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

std::uint8_t octet(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

// Combining marks, U+0300 to U+037F: "e" and an accent are "e".
bool is_combining(std::uint8_t lead) { return lead == 0xCC || lead == 0xCD; }

// Appends what is left of the character at `at`; answers how long it was.
std::size_t append_plain(std::string& out, std::string_view text, std::size_t at) {
  const std::uint8_t lead = octet(text, at);
  if (lead < 0x80) {
    const char lower = ascii_lower(text[at]);
    if (is_letter_or_digit(lower)) out += lower;
    return 1;
  }
  if (at + 1 < text.size() && lead == 0xC3 && octet(text, at + 1) >= 0x80 &&
      octet(text, at + 1) <= 0xBF) {
    const char letter = latin1_letters[octet(text, at + 1) - 0x80U];
    if (letter != ' ') out += letter;
    return 2;
  }
  if (at + 1 < text.size() && (is_combining(lead) || lead == 0xC2)) return 2;
  out += text[at];
  return 1;
}

template <std::size_t size>
bool is_one_of(std::string_view plain, const std::array<std::string_view, size>& words) {
  return std::ranges::find(words, plain) != words.end();
}

constexpr std::array<std::string_view, 15> yes_words{"true", "1",    "yes", "y",         "x",
                                                     "t",    "on",   "ja",  "j",         "wahr",
                                                     "oui",  "vrai", "si",  "verdadero", "s"};
constexpr std::array<std::string_view, 16> no_words{
    "false", "0",    "no",    "n",    "f",    "off", "nein", "falsch",
    "non",   "faux", "falso", "null", "none", "na",  "nil",  "never"};
constexpr std::array<std::string_view, 17> silent_statuses{
    "active",        "enabled",       "aktiv",       "actif",         "activo",    "none",
    "nonsubscribed", "notsubscribed", "unconfirmed", "pending",       "delivered", "softbounce",
    "softbounced",   "soft",          "valid",       "transactional", "ok"};

}  // namespace

std::string plain_name(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size();) at += append_plain(plain, text, at);
  return plain;
}

Truth truth_of(std::string_view text) {
  const std::string plain = plain_name(text);
  if (plain.empty()) return Truth::empty;
  if (is_one_of(plain, yes_words)) return Truth::yes;
  return is_one_of(plain, no_words) ? Truth::no : Truth::other;
}

bool says_nothing(std::string_view status) {
  return is_one_of(plain_name(status), silent_statuses);
}

std::string stream_for(std::string_view list) {
  list = trim(list);
  std::string name;
  for (const char c : list) {
    const bool allowed = config::check_name(std::string_view(&c, 1)).empty();
    if (allowed) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
    if (name.size() == config::max_name) break;
  }
  if (list != name) {
    while (name.ends_with('-')) name.pop_back();
  }
  return equal_nocase(name, "all") ? std::string() : name;
}

}  // namespace postern::rows
