#include "store/rows/address_field.h"

#include "base/text.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include <fmt/format.h>

namespace postern::rows {
namespace {

constexpr std::string_view mailto = "mailto:";

std::optional<unsigned> hex_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  const char lower = ascii_lower(c);
  if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a') + 10U;
  return std::nullopt;
}

bool is_digest(std::string_view text) {
  if (text.size() != 32 && text.size() != 40 && text.size() != 64) return false;
  return std::ranges::all_of(text, [](char c) { return hex_value(c).has_value(); });
}

// Blanks that a copy from a web page or an office program brings along: U+00A0, U+200B, U+FEFF.
std::string_view trim_all(std::string_view text) {
  constexpr std::string_view blanks[] = {"\xC2\xA0", "\xE2\x80\x8B", "\xEF\xBB\xBF"};
  for (std::size_t before = text.size() + 1; text.size() < before;) {
    before = text.size();
    text = trim(text);
    for (const std::string_view blank : blanks) {
      if (text.starts_with(blank)) text.remove_prefix(blank.size());
      if (text.ends_with(blank)) text.remove_suffix(blank.size());
    }
  }
  return text;
}

std::string_view without_quotes(std::string_view text) {
  for (const char quote : {'"', '\''}) {
    if (text.size() >= 2 && text.front() == quote && text.back() == quote) {
      return trim_all(text.substr(1, text.size() - 2));
    }
  }
  return text;
}

// RFC 6068: "?subject=..." behind the address, octets as %XX.
std::string from_mailto(std::string_view text) {
  text.remove_prefix(mailto.size());
  text = text.substr(0, text.find('?'));
  std::string address;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto high = i + 2 < text.size() ? hex_value(text[i + 1]) : std::nullopt;
    const auto low = i + 2 < text.size() ? hex_value(text[i + 2]) : std::nullopt;
    if (text[i] == '%' && high && low) {
      address += static_cast<char>(*high * 16U + *low);
      i += 2;
    } else {
      address += text[i];
    }
  }
  return address;
}

// "Name <a@b>": what is in the brackets.
std::string_view without_name(std::string_view text) {
  const auto open = text.ends_with('>') ? text.rfind('<') : text.npos;
  if (open == text.npos) return text;
  return trim_all(text.substr(open + 1, text.size() - open - 2));
}

// A domain without its "@" is not guessed to be one: said with what to write.
Result<policy::CanonicalAddress> parse(std::string_view text) {
  auto address = policy::parse_contact(text, true);
  if (!address && !text.contains('@') && text.contains('.') &&
      policy::parse_domain_pattern("@" + std::string(text))) {
    const std::string shown = printable(text, 100);
    return fail(Errc::invalid,
                fmt::format("\"{}\" is no address: write @{} for the whole domain", shown, shown));
  }
  return address;
}

}  // namespace

Result<policy::CanonicalAddress> read_address(std::string_view text) {
  text = trim_all(text);
  while (text.ends_with(',') || text.ends_with(';'))
    text = trim_all(text.substr(0, text.size() - 1));
  text = without_name(without_quotes(text));
  if (is_digest(text)) return policy::CanonicalAddress{to_lower(text)};
  if (text.contains("\xEF\xBF\xBD")) {
    return fail(Errc::invalid,
                fmt::format("\"{}\" holds octets that are no character", printable(text, 100)));
  }
  if (equal_nocase(text.substr(0, mailto.size()), mailto)) return parse(from_mailto(text));
  return parse(text);
}

}  // namespace postern::rows
