#include "store/utf8.h"

#include "base/text.h"
#include "store/rows/encoding.h"

#include <cstdint>

namespace postern::store {

bool is_kept_whole(std::string_view text, std::size_t limit) {
  return text.size() <= limit && !text.contains('\0') && rows::is_utf8(text);
}

std::string kept_text(std::string_view text, std::size_t limit) {
  if (is_kept_whole(text, limit)) return std::string(text);
  if (text.contains('\0') || !rows::is_utf8(text)) return printable(text, limit);
  std::size_t end = limit;
  while (end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xC0U) == 0x80) --end;
  return std::string(text.substr(0, end));
}

}  // namespace postern::store
