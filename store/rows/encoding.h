// What the octets of a file mean. All that is read further on is UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::rows {

enum class Encoding : std::uint8_t { utf8, utf16_le, utf16_be, windows1252 };
[[nodiscard]] std::string_view to_string(Encoding encoding);  // "UTF-8", "UTF-16LE", ...

struct Beginning {
  Encoding encoding = Encoding::utf8;
  std::size_t bom = 0;  // octets of the byte order mark
};
// By the mark, or where there is none by what plainly is there: every second octet a NUL is UTF-16.
// What is not UTF-8 is Windows-1252, of which ISO-8859-1 is a part. `whole`: nothing comes behind
// `text`.
[[nodiscard]] Beginning encoding_of(std::string_view text, bool whole);

// RFC 3629: shortest forms only, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

// ASCII without NUL, which is what most rows are, is told in a tenth of a nanosecond an octet.
enum class Text : std::uint8_t { ascii, utf8, other, has_nul };
[[nodiscard]] Text text_kind(std::string_view text);

// Into `out`, which keeps its memory. The five octets that Windows-1252 has no character for are
// U+FFFD.
void from_windows1252(std::string_view text, std::string& out);
// Appends; answers how many octets were read: a code unit or pair that is cut at the end of `text`
// is left for the next call, unless `last`. Half a pair is U+FFFD.
[[nodiscard]] std::size_t append_from_utf16(std::string_view text, bool little_endian, bool last,
                                            std::string& out);

}  // namespace postern::rows
