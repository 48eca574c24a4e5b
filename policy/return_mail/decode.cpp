#include "policy/return_mail/decode.h"

#include "base/text.h"
#include "policy/return_mail/charset.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>

#include <mimetic/codec/base64.h>
#include <mimetic/codec/codec.h>
#include <mimetic/codec/qp.h>

namespace postern::return_mail {
namespace {

constexpr std::size_t max_word = 300;         // octets; RFC 2047 section 2 allows 75
constexpr std::size_t longest_field = 16384;  // octets of a field; those behind are not decoded

template <class Decoder>
std::string decoded(std::string_view octets) {
  std::string out;
  out.reserve(octets.size());
  Decoder decoder;
  mimetic::decode(octets.begin(), octets.end(), decoder, std::back_inserter(out));
  return out;
}

std::string unpack_q(std::string_view text) {
  std::string plain(text);
  std::ranges::replace(plain, '_', ' ');
  return decoded<mimetic::QP::Decoder>(plain);
}

struct Word {
  std::string_view charset;
  std::string octets;
  std::size_t length = 0;  // as it stands
};

// "=?charset?B?text?=" at the beginning of `text`; RFC 2231 section 5 puts a language behind the
// charset.
std::optional<Word> read_word(std::string_view text) {
  text = text.substr(0, max_word);
  if (!text.starts_with("=?")) return std::nullopt;
  const std::size_t first = text.find('?', 2);
  if (first == std::string_view::npos || first + 2 >= text.size() || text[first + 2] != '?') {
    return std::nullopt;
  }
  const std::size_t end = text.find("?=", first + 3);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view charset = text.substr(2, first - 2);
  const std::string_view inner = text.substr(first + 3, end - first - 3);
  const char encoding = ascii_lower(text[first + 1]);
  if (encoding != 'b' && encoding != 'q') return std::nullopt;
  return Word{charset.substr(0, charset.find('*')),
              encoding == 'b' ? decoded<mimetic::Base64::Decoder>(inner) : unpack_q(inner),
              end + 2};
}

}  // namespace

std::string decode_transfer(std::string_view body, std::string_view encoding) {
  const std::string_view name = trim(encoding);
  if (equal_nocase(name, "base64")) return decoded<mimetic::Base64::Decoder>(body);
  if (equal_nocase(name, "quoted-printable")) return decoded<mimetic::QP::Decoder>(body);
  return std::string(body);
}

std::string decode_words(std::string_view value) {
  value = value.substr(0, longest_field);
  if (!value.contains("=?")) return to_utf8(value, {});
  std::string out;
  std::string octets;  // of words that follow one another: some cut a character in two
  std::string_view charset;
  const auto flush = [&] {
    out += to_utf8(octets, charset);
    octets.clear();
  };
  while (!value.empty()) {
    const std::size_t start = std::min(value.find("=?"), value.size());
    // Blanks between two words are not shown (RFC 2047 section 6.2).
    if (const auto between = value.substr(0, start); octets.empty() || !trim(between).empty()) {
      flush();
      out += to_utf8(between, {});
    }
    value.remove_prefix(start);
    auto word = read_word(value);
    if (!word) {
      flush();
      out += value.substr(0, 2);
      value.remove_prefix(std::min<std::size_t>(2, value.size()));
      continue;
    }
    if (!equal_nocase(word->charset, charset)) flush();
    charset = word->charset;
    octets += word->octets;
    value.remove_prefix(word->length);
  }
  flush();
  return out;
}

}  // namespace postern::return_mail
