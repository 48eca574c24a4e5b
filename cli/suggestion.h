// Commands for people to paste: what they mean in a shell is what was read.
#pragma once

#include <string>
#include <string_view>

namespace postern::cli {

// The word as a POSIX shell reads it back; controls are blanks.
[[nodiscard]] std::string shell_quoted(std::string_view word);

// "postern resubscribe jane@example.com --stream newsletter --consent 'how we know'"; of every
// stream where `stream` is empty.
[[nodiscard]] std::string resubscribe_command(std::string_view address, std::string_view stream);
// "postern reactivate jane@example.com --confirm"; with `seen`, that too.
[[nodiscard]] std::string reactivate_command(std::string_view address, std::string_view seen);
// "postern unblock jane@example.com"
[[nodiscard]] std::string unblock_command(std::string_view address);

}  // namespace postern::cli
