// HTML reduced to the text that a reader sees, a line for each block.
#pragma once

#include <string>
#include <string_view>

namespace postern::return_mail {

[[nodiscard]] std::string html_to_text(std::string_view html);

}  // namespace postern::return_mail
