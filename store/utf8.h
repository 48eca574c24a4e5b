// Texts that the store keeps and gives back are UTF-8 without NUL, so that an export reads back
// what was recorded.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::store {

// kept_text() is the text itself.
[[nodiscard]] bool is_kept_whole(std::string_view text, std::size_t limit);
// At most `limit` octets of `text`, cut between characters; what is not UTF-8 or holds a NUL is
// kept as printable() has it.
[[nodiscard]] std::string kept_text(std::string_view text, std::size_t limit);

}  // namespace postern::store
