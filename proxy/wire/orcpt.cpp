#include "proxy/wire/orcpt.h"

#include "base/text.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace postern::wire {
namespace {

constexpr std::size_t max_orcpt = 500;  // RFC 3461 section 4.2

bool is_plain(char c) { return c > ' ' && c <= '~' && c != '+' && c != '='; }

std::string xtext(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (is_plain(c)) {
      encoded += c;
    } else {
      fmt::format_to(std::back_inserter(encoded), "+{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

// The code point in front of `text`, which is valid UTF-8, and is taken off it.
std::uint32_t take_code_point(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  const unsigned length = first < 0x80 ? 1U : first < 0xe0 ? 2U : first < 0xf0 ? 3U : 4U;
  std::uint32_t point = length == 1 ? first : first & (0x7fU >> length);
  for (const char c : text.substr(1, length - 1)) {
    point = point << 6U | (static_cast<unsigned char>(c) & 0x3fU);
  }
  text.remove_prefix(std::min<std::size_t>(length, text.size()));
  return point;
}

// utf-8-addr-xtext: fit for every server, which may speak to one without SMTPUTF8.
std::string utf8_xtext(std::string_view text) {
  std::string encoded;
  while (!text.empty()) {
    const std::uint32_t point = take_code_point(text);
    if (point < 0x80 && is_plain(static_cast<char>(point)) && point != '\\') {
      encoded += static_cast<char>(point);
    } else {
      fmt::format_to(std::back_inserter(encoded), "\\x{{{:02X}}}", point);
    }
  }
  return encoded;
}

}  // namespace

std::string original_recipient(const policy::Mailbox& recipient, bool utf8) {
  const std::string address = policy::to_string(recipient);
  const bool ascii = is_ascii(address);
  if (!ascii && !utf8) return {};
  auto orcpt = ascii ? "rfc822;" + xtext(address) : "utf-8;" + utf8_xtext(address);
  return orcpt.size() > max_orcpt ? std::string() : orcpt;
}

}  // namespace postern::wire
