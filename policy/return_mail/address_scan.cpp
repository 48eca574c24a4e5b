#include "policy/return_mail/address_scan.h"

#include "base/text.h"
#include "policy/return_mail/charset.h"
#include "policy/return_mail/lists.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace postern::return_mail {
namespace {

constexpr std::size_t longest_local_part = 256;
constexpr std::size_t longest_domain = 255;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }
bool is_wide(char c) { return static_cast<unsigned char>(c) >= 128; }
// RFC 5322 section 3.2.3, atext and the dot.
bool in_local_part(char c) {
  return is_letter(c) || is_digit(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~.").contains(c));
}
bool in_domain(char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_'; }

// What writers put around an address, though an atom may hold it.
constexpr std::string_view wrapping = "'`*=|{&#!?^~.";

// Where the local part begins whose "@" stands at `at`; `at`: nowhere.
std::size_t local_part_begin(std::string_view text, std::size_t from, std::size_t at) {
  const std::size_t limit = std::max(from, at > longest_local_part ? at - longest_local_part : 0);
  if (at > limit && text[at - 1] == '"') {
    const std::size_t quote = text.substr(limit, at - 1 - limit).rfind('"');
    return quote == std::string_view::npos ? at : limit + quote;
  }
  std::size_t wide = at;
  while (wide > limit && (in_local_part(text[wide - 1]) || is_wide(text[wide - 1]))) --wide;
  if (wide > from && text[wide - 1] == '<') return wide;
  std::size_t begin = at;
  while (begin > limit && in_local_part(text[begin - 1])) --begin;
  while (begin < at && wrapping.contains(text[begin])) ++begin;
  return begin;
}

// A domain's end behind its "@"; the same place: there is none.
std::size_t domain_end(std::string_view text, std::size_t begin, bool bracket) {
  if (begin < text.size() && text[begin] == '[') {
    const std::size_t close = text.substr(begin, 64).find(']');
    return close == std::string_view::npos ? begin : begin + close + 1;
  }
  const std::size_t limit = std::min(text.size(), begin + longest_domain);
  std::size_t wide = begin;
  while (wide < limit && (in_domain(text[wide]) || is_wide(text[wide]))) ++wide;
  if (bracket && wide < text.size() && text[wide] == '>' && wide > begin) return wide;
  std::size_t end = begin;
  while (end < limit && in_domain(text[end])) ++end;
  while (end > begin && !is_letter(text[end - 1]) && !is_digit(text[end - 1])) --end;
  return end;
}

// A last label of digits is of a number, a message identifier or a version.
bool is_likely_domain(std::string_view domain) {
  if (domain.empty() || domain.front() == '.' || domain.front() == '-') return false;
  if (domain.front() == '[') return true;
  const std::string_view last = domain.substr(domain.rfind('.') + 1);
  return domain.contains('.') && last.size() > 1 && !domain.contains("..") &&
         std::ranges::any_of(last, [](char c) { return !is_digit(c); });
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// RFC 3461 section 4: only what xtext has to encode is taken for encoded; "user+20" is an address
// too.
std::string decode_xtext(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && i + 2 < text.size()) {
      const int octet = hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]);
      if (hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0 &&
          (octet == '+' || octet == '=')) {
        out += static_cast<char>(octet);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

// RFC 6533 section 3: "\x{NNNN}".
std::string decode_unitext(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t close =
        text.starts_with("\\x{") ? text.substr(0, 10).find('}') : std::string_view::npos;
    if (close == std::string_view::npos) {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    std::uint32_t code = 0;
    bool good = close > 3;
    for (const char c : text.substr(3, close - 3)) {
      good = good && hex_value(c) >= 0;
      code = code * 16 + static_cast<std::uint32_t>(std::max(hex_value(c), 0));
    }
    if (good && code >= 0x20) append_code_point(out, code);
    text.remove_prefix(close + 1);
  }
  return out;
}

// A local part that is a pipe, a path or an X.500 name (RFC 3464 section 2.3.2 allows any).
bool is_program(std::string_view value) {
  return value.starts_with('|') || value.starts_with("\"|") || value.starts_with('/') ||
         value.starts_with("\"/") || value.starts_with(':');
}

constexpr std::array<std::string_view, 8> daemons{"postmaster",   "post_master", "mailer-daemon",
                                                  "mailerdaemon", "mail-daemon", "mdaemon",
                                                  "mail_daemon",  "daemon"};
constexpr std::array<std::string_view, 7> robots{
    "abuse", "hostmaster", "helpdesk", "no-reply", "noreply", "mailadmin", "dmarc-noreply"};

}  // namespace

std::optional<Spot> next_address(std::string_view text, std::size_t from) {
  std::size_t floor = from;  // what is behind it was looked at
  for (std::size_t at = text.find('@', from); at != std::string_view::npos;
       at = text.find('@', at + 1)) {
    const std::size_t begin = local_part_begin(text, floor, at);
    const bool open = begin > from && text[begin - 1] == '<';
    const std::size_t end = domain_end(text, at + 1, open);
    if (begin < at && is_likely_domain(text.substr(at + 1, end - at - 1))) {
      return Spot{begin, end, open && end < text.size() && text[end] == '>'};
    }
    floor = at + 1;
  }
  return std::nullopt;
}

std::string address_of_field(std::string_view value) {
  value = trim(value);
  bool utf8 = false;
  // "rfc822;", and the "SMTP:" of Exchange.
  if (const std::size_t semicolon = value.find(';');
      semicolon != std::string_view::npos && !value.substr(0, semicolon).contains('@')) {
    const std::string type = to_lower(trim(value.substr(0, semicolon)));
    if (type.starts_with("x400") || type.starts_with("x500")) return {};
    utf8 = type == "utf-8";
    value = trim(value.substr(semicolon + 1));
  }
  if (value.starts_with('<')) value.remove_prefix(1);
  if (is_program(value)) return {};
  if (utf8) {
    const std::string decoded = decode_unitext(value);
    const std::size_t at = decoded.rfind('@');
    if (at == std::string::npos || at == 0 || at + 1 == decoded.size()) return {};
    const std::string_view whole(decoded);
    return std::string(whole.substr(0, whole.find_first_of(" >", at)));
  }
  const auto spot = next_address(value, 0);
  if (!spot) {
    // "user@localhost", where nothing else stands.
    const std::string_view bare = value.substr(0, value.find_first_of(" >("));
    const std::size_t at = bare.find('@');
    const bool address = at != 0 && at != std::string_view::npos && at + 1 < bare.size() &&
                         std::ranges::all_of(bare.substr(at + 1), in_domain);
    return address ? decode_xtext(bare) : std::string();
  }
  // What the sender took for a name and its mail program encoded: the address is that (RFC 2047).
  const std::size_t begin = value.starts_with("=?") ? 0 : spot->begin;
  return decode_xtext(value.substr(begin, spot->end - begin));
}

std::string only_address(std::string_view value) {
  const auto first = next_address(value, 0);
  if (!first) return {};
  const std::string_view address = value.substr(first->begin, first->end - first->begin);
  std::string found(address);
  // "x@y" <x@y> is one.
  std::size_t from = first->end;
  while (const auto next = next_address(value, from)) {
    if (!equal_nocase(value.substr(next->begin, next->end - next->begin), address)) return {};
    from = next->end;
  }
  return found;
}

bool is_daemon(std::string_view address) {
  const std::string local = to_lower(address.substr(0, address.find('@')));
  return has(daemons, local) || local.starts_with("mailer-daemon") ||
         local.starts_with("postmaster");
}

bool is_robot(std::string_view address) {
  return has(robots, to_lower(address.substr(0, address.find('@'))));
}

bool is_redacted(std::string_view address) {
  const std::string local = to_lower(address.substr(0, address.find('@')));
  return local.contains("redacted") || local.contains("undisclosed") || local == "removed" ||
         (local.size() > 2 && local.find_first_not_of("x*") == std::string::npos);
}

}  // namespace postern::return_mail
