#include "proxy/wire/reply.h"

#include "base/text.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include <fmt/format.h>

namespace postern::wire {
namespace {

constexpr std::size_t code_size = 3;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The length of the well-formed UTF-8 sequence of two octets or more in front of `text` (RFC 3629
// section 4); 0: none.
std::size_t multibyte_length(std::string_view text) {
  const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = octet(0);
  std::size_t length = 0;
  unsigned second_min = 0x80;
  unsigned second_max = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) second_min = 0xa0;  // no longer form than is needed
    if (lead == 0xed) second_max = 0x9f;  // no surrogates
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) second_min = 0x90;
    if (lead == 0xf4) second_max = 0x8f;  // nothing above U+10FFFF
  }
  if (length == 0 || text.size() < length) return 0;
  if (octet(1) < second_min || octet(1) > second_max) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((octet(i) & 0xc0U) != 0x80) return 0;
  }
  return length;
}

bool is_reply_text(std::string_view text) {
  if (is_plain(text)) return true;
  while (!text.empty()) {
    const char c = text.front();
    const bool ascii = (c >= ' ' && c <= '~') || c == '\t';
    const std::size_t length = ascii ? 1 : multibyte_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// One line of a reply, without its CRLF.
struct ReplyLine {
  int code = 0;  // 0: malformed
  bool last = true;
};

ReplyLine parse_line(std::string_view line) {
  if (line.size() < code_size || !std::ranges::all_of(line.substr(0, code_size), is_digit))
    return {};
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (code < 200 || code > 599 || !is_reply_text(line)) return {};
  // The code alone, without text: RFC 5321 section 4.2 allows it of old servers.
  if (line.size() == code_size) return {.code = code};
  const char separator = line[code_size];
  if (separator != ' ' && separator != '-') return {};
  return {.code = code, .last = separator == ' '};
}

ParsedReply malformed() { return {.state = ParsedReply::State::malformed, .reply = {}}; }

}  // namespace

std::string one_line(const Reply& reply) {
  std::string text;
  for (std::string_view rest = reply.text; !rest.empty();) {
    const auto end = rest.find("\r\n");
    if (!text.empty()) text += ' ';
    text += rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  }
  return text;
}

Reply make_reply(int code, std::string_view enhanced_status_code, std::string_view text) {
  assert(text.find_first_of("\r\n") == std::string_view::npos);
  const fmt::format_int digits(code);
  std::string line;
  line.reserve(digits.size() + enhanced_status_code.size() + text.size() + 4);
  line.append(digits.data(), digits.size()) += ' ';
  if (!enhanced_status_code.empty()) line.append(enhanced_status_code) += ' ';
  line += text;
  if (has_control(line)) {
    std::ranges::replace_if(line, [](char c) { return c == '\r' || c == '\n'; }, ' ');
  }
  line += "\r\n";
  return {.code = code, .text = std::move(line)};
}

ParsedReply parse_reply(std::string_view input) {
  int code = 0;
  std::size_t at = 0;
  for (std::size_t lines = 0; lines < max_reply_lines; ++lines) {
    const std::string_view rest = input.substr(at, max_reply_line);
    const std::size_t line_feed = rest.find('\n');
    if (line_feed == std::string_view::npos) {
      return rest.size() == max_reply_line ? malformed() : ParsedReply{};
    }
    if (line_feed == 0 || rest[line_feed - 1] != '\r') return malformed();

    const ReplyLine line = parse_line(rest.substr(0, line_feed - 1));
    if (line.code == 0 || (lines > 0 && line.code != code)) return malformed();
    code = line.code;
    at += line_feed + 1;
    if (line.last) {
      return {.state = ParsedReply::State::complete,
              .reply = {.code = code, .text = std::string(input.substr(0, at))},
              .consumed = at};
    }
  }
  return malformed();
}

Reply with_code(const Reply& reply, int code) {
  const std::string digits = fmt::format("{:03}", code);
  Reply changed{.code = code, .text = reply.text};
  for (std::size_t line = 0; line + code_size <= changed.text.size();) {
    changed.text.replace(line, code_size, digits);
    const std::size_t line_feed = changed.text.find('\n', line);
    if (line_feed == std::string::npos) break;
    line = line_feed + 1;
  }
  return changed;
}

}  // namespace postern::wire
