#include "web/language.h"

#include "base/text.h"

#include <algorithm>

namespace postern::web {
namespace {

constexpr std::size_t most_ranges = 50;

// qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ), in thousandths. What is none is 0.
unsigned weight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return 0;
  unsigned thousandths = text[0] == '1' ? 1000 : 0;
  if (text.size() == 1) return thousandths;
  if (text[1] != '.') return 0;
  unsigned place = 100;
  for (const char c : text.substr(2)) {
    if (c < '0' || c > '9') return 0;
    thousandths += static_cast<unsigned>(c - '0') * place;
    place /= 10;
  }
  return std::min(thousandths, 1000U);
}

unsigned weight_of_range(std::string_view range) {
  const auto semicolon = range.find(';');
  if (semicolon == range.npos) return 1000;
  const auto parameter = trim(range.substr(semicolon + 1));
  if (parameter.size() < 2 || ascii_lower(parameter[0]) != 'q' || parameter[1] != '=') return 1000;
  return weight(trim(parameter.substr(2)));
}

}  // namespace

std::string_view tag(Language language) {
  switch (language) {
    case Language::french:
      return "fr";
    case Language::german:
      return "de";
    case Language::spanish:
      return "es";
    case Language::english:
      break;
  }
  return "en";
}

std::string_view name(Language language) {
  switch (language) {
    case Language::french:
      return "Français";
    case Language::german:
      return "Deutsch";
    case Language::spanish:
      return "Español";
    case Language::english:
      break;
  }
  return "English";
}

std::optional<Language> parse_language(std::string_view text) {
  const auto primary = text.substr(0, text.find('-'));
  for (const auto language : languages) {
    if (equal_nocase(primary, tag(language))) return language;
  }
  return std::nullopt;
}

Language choose_language(std::string_view accept_language) {
  Language best = Language::english;
  unsigned greatest = 0;
  for (std::size_t i = 0; i < most_ranges && !accept_language.empty(); ++i) {
    const auto end = std::min(accept_language.find(','), accept_language.size());
    const auto range = accept_language.substr(0, end);
    accept_language.remove_prefix(std::min(accept_language.size(), end + 1));
    const auto language = parse_language(trim(range.substr(0, range.find(';'))));
    const auto weighs = weight_of_range(range);
    if (!language || weighs <= greatest) continue;
    greatest = weighs;
    best = *language;
  }
  return best;
}

}  // namespace postern::web
