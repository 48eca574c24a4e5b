#include "policy/domain.h"

#include "base/text.h"
#include "policy/address.h"

#include <arpa/inet.h>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include <idn2.h>

namespace postern::policy {

namespace {

constexpr std::size_t max_label = 63;
// Mapped characters take up to four octets each in UTF-8.
constexpr std::size_t max_domain_text = 4 * max_domain;

// UTS #46 maps these to the full stop: ideographic, full-width and half-width ideographic full
// stop.
constexpr std::array<std::string_view, 4> dots = {".", "\u3002", "\uFF0E", "\uFF61"};

struct Dot {
  std::size_t position;
  std::size_t size;
};

// The first dot of `text`, or its end.
Dot first_dot(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') return {i, 1};
    if (static_cast<unsigned char>(text[i]) < 0x80) continue;
    for (const auto dot : dots) {
      if (text.substr(i).starts_with(dot)) return {i, dot.size()};
    }
  }
  return {text.size(), 0};
}

constexpr bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// A domain's octets in lower case; 0: it has no such octet.
constexpr std::array<char, 256> lower_of = [] {
  std::array<char, 256> table{};
  for (std::size_t octet = 0; octet < 128; ++octet) {
    const char lower = ascii_lower(static_cast<char>(octet));
    if (is_label_character(lower) || lower == '.') table[octet] = lower;
  }
  return table;
}();

// Appends `label` if it is one; otherwise says why it is none.
std::string_view append_ascii_label(std::string& domain, std::string_view label) {
  if (label.empty()) return "its domain has an empty label";
  if (label.size() > max_label) return "a label of its domain is longer than 63 octets";
  if (label.front() == '-' || label.back() == '-') {
    return "a label of its domain begins or ends with a hyphen";
  }
  for (const char c : label) {
    const char lower = ascii_lower(c);
    if (!is_label_character(lower)) return "its domain holds a character that no domain has";
    domain += lower;
  }
  return {};
}

std::string_view append_label(std::string& domain, std::string_view label) {
  if (is_ascii(label)) return append_ascii_label(domain, label);
  const auto ascii = label_to_ascii(label);
  if (!ascii) return ascii.error();
  return append_ascii_label(domain, *ascii);
}

// One spelling of an IP address, through the system's reading and writing of it; empty where it is
// none.
template <int family, std::size_t size>
std::string one_spelling(std::string_view text) {
  std::array<std::uint8_t, size> address{};
  std::array<char, INET6_ADDRSTRLEN> spelling{};
  if (inet_pton(family, std::string(text).c_str(), address.data()) != 1) return {};
  if (inet_ntop(family, address.data(), spelling.data(), spelling.size()) == nullptr) return {};
  return spelling.data();
}

// RFC 5321 section 4.1.3. IPv6 is the only tag that was ever registered.
Parsed<std::string> parse_literal(std::string_view text) {
  constexpr std::string_view ipv6 = "ipv6:";
  constexpr std::string_view why = "its address literal is neither [IPv4] nor [IPv6:...]";
  if (text.size() < 2 || text.back() != ']') return std::unexpected(why);
  const auto content = text.substr(1, text.size() - 2);
  if (content.find('\0') != content.npos) return std::unexpected(why);
  std::string result = "[";
  std::string address;
  if (equal_nocase(content.substr(0, ipv6.size()), ipv6)) {
    result += ipv6;
    address = one_spelling<AF_INET6, 16>(content.substr(ipv6.size()));
  } else {
    address = one_spelling<AF_INET, 4>(content);
  }
  if (address.empty()) return std::unexpected(why);
  return result + address + ']';
}

}  // namespace

Parsed<std::string> label_to_ascii(std::string_view label) {
  constexpr std::string_view why = "a label of its domain is no international one (UTS #46)";
  if (label.size() > max_domain_text || label.find('\0') != label.npos) return std::unexpected(why);
  std::uint8_t* result = nullptr;
  const int status =
      idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(std::string(label).c_str()), &result,
                     IDN2_NONTRANSITIONAL);
  const std::unique_ptr<std::uint8_t, decltype(&idn2_free)> owner(
      result, [](void* memory) { idn2_free(memory); });
  if (status == IDN2_MALLOC) throw std::bad_alloc();
  if (status != IDN2_OK) return std::unexpected(why);
  return std::string(reinterpret_cast<const char*>(result));
}

bool plain_domain(std::string_view text, std::string& domain) {
  if (text.empty() || text.size() > max_domain) return false;
  domain = text;
  char* const octets = domain.data();
  std::size_t label = 0;  // where it begins
  char before = '.';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = lower_of[static_cast<unsigned char>(octets[i])];
    if (c == 0) return false;
    if (c == '.') {
      if (before == '.' || before == '-' || i - label > max_label) return false;
      label = i + 1;
    } else if (c == '-' && before == '.') {
      return false;
    }
    octets[i] = before = c;
  }
  return before != '.' && before != '-' && text.size() - label <= max_label;
}

Parsed<std::string> parse_domain(std::string_view text) {
  if (text.starts_with('[')) return parse_literal(text);
  if (text.empty()) return std::unexpected("it has no domain");
  if (text.size() > max_domain_text) return std::unexpected("its domain is longer than 255 octets");
  std::string domain;
  domain.reserve(text.size());
  while (true) {
    const Dot dot = first_dot(text);
    if (const auto why = append_label(domain, text.substr(0, dot.position)); !why.empty()) {
      return std::unexpected(why);
    }
    text.remove_prefix(dot.position + dot.size);
    if (text.empty()) break;
    domain += '.';
  }
  if (domain.size() > max_domain) return std::unexpected("its domain is longer than 255 octets");
  return domain;
}

}  // namespace postern::policy
