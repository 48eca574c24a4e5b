#include "policy/local_part.h"

#include "base/text.h"
#include "policy/address.h"
#include "policy/unicode.h"

#include <array>
#include <cstdint>
#include <utility>

namespace postern::policy {

namespace {

// RFC 5322 section 3.2.3, with the UTF8-non-ascii of RFC 6531.
enum class Kind : std::uint8_t { other, atext, beyond_ascii, dot };
constexpr std::array<Kind, 256> kinds = [] {
  constexpr std::string_view ascii =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~";
  std::array<Kind, 256> table{};
  for (const char c : ascii) table[static_cast<unsigned char>(c)] = Kind::atext;
  for (std::size_t octet = 0x80; octet < table.size(); ++octet) table[octet] = Kind::beyond_ascii;
  table['.'] = Kind::dot;
  return table;
}();

Kind kind_of(char c) { return kinds[static_cast<unsigned char>(c)]; }
bool is_atext(char c) { return kind_of(c) == Kind::atext || kind_of(c) == Kind::beyond_ascii; }

bool is_dot_string(std::string_view text) {
  bool after_dot = true;
  for (const char c : text) {
    if (c == '.' ? after_dot : !is_atext(c)) return false;
    after_dot = c == '.';
  }
  return !after_dot;
}

Parsed<LocalPart> read_dot_string(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && (text[end] == '.' || is_atext(text[end]))) ++end;
  const auto dot_string = text.substr(0, end);
  if (end < text.size() && text[end] != '@') {
    return std::unexpected("its local part holds a character that needs quotes");
  }
  if (end == 0) return std::unexpected("it has no local part");
  if (!is_dot_string(dot_string)) {
    return std::unexpected("its local part has a dot at an end, or two in a row, without quotes");
  }
  return LocalPart{.text = std::string(dot_string), .consumed = end};
}

Parsed<LocalPart> read_quoted_string(std::string_view text) {
  LocalPart result;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      result.consumed = i + 1;
      return result;
    }
    if (text[i] == '\\') {
      ++i;
      if (i == text.size() || static_cast<unsigned char>(text[i]) >= 0x80) {
        return std::unexpected("a backslash in its local part quotes no ASCII character");
      }
    }
    result.text += text[i];
  }
  return std::unexpected("the quotes of its local part do not end");
}

}  // namespace

Parsed<LocalPart> read_local_part(std::string_view text) {
  constexpr std::string_view too_long = "its local part is longer than 256 octets";
  auto result = text.starts_with('"') ? read_quoted_string(text) : read_dot_string(text);
  if (!result) return result;
  if (is_ascii(result->text)) {
    if (result->text.size() > max_local_part) return std::unexpected(too_long);
    return result;
  }
  result->text = to_nfc(result->text);
  if (result->text.size() > max_local_part || case_folded(result->text).size() > max_local_part) {
    return std::unexpected(too_long);
  }
  return result;
}

std::size_t plain_local_part(std::string_view text) {
  std::size_t end = 0;
  Kind before = Kind::dot;
  for (; end < text.size(); ++end) {
    const Kind kind = kind_of(text[end]);
    if (kind != Kind::atext && (kind != Kind::dot || before == Kind::dot)) break;
    before = kind;
  }
  return before == Kind::dot || end > max_local_part ? 0 : end;
}

void append_local_part(std::string& out, std::string_view local_part) {
  if (is_dot_string(local_part)) {
    out += local_part;
    return;
  }
  out += '"';
  for (const char c : local_part) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

}  // namespace postern::policy
