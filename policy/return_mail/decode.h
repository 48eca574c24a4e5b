// From the octets of a part to text: transfer encodings (RFC 2045 section 6), character sets,
// encoded words (RFC 2047). Whatever the input, the result is UTF-8 and at most four times as long.
#pragma once

#include <string>
#include <string_view>

namespace postern::return_mail {

// `encoding`: of Content-Transfer-Encoding; others than base64 and quoted-printable leave the
// octets as they are.
[[nodiscard]] std::string decode_transfer(std::string_view body, std::string_view encoding);

// `charset` in any of its spellings; one that is unknown, absent or contradicted by the octets is
// guessed from them.
[[nodiscard]] std::string to_utf8(std::string_view octets, std::string_view charset);

// The encoded words of an unfolded field, and octets beside them that are no UTF-8; its first 16
// KiB.
[[nodiscard]] std::string decode_words(std::string_view value);

}  // namespace postern::return_mail
