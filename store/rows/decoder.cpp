#include "store/rows/decoder.h"

#include "store/rows/encoding.h"

namespace postern::rows {

Result<std::string_view> Decoder::decode(std::string_view text) {
  switch (text_kind(text)) {
    case Text::ascii:
    case Text::utf8:
      return text;
    case Text::has_nul:
      return fail(Errc::invalid, "a NUL");
    case Text::other:
      break;
  }
  if (only_utf8_)
    return fail(Errc::invalid, "not UTF-8, which the mark at the file's beginning says");
  from_windows1252(text, decoded_);
  return decoded_;
}

}  // namespace postern::rows
