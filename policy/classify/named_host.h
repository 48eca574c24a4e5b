// Whose name was not found: that of the recipient's domain, or of a host on the way there.
#pragma once

#include <string_view>

namespace postern::classify {

// The text names hosts, and none of them is the domain of `recipient`, or one above it. Domains of
// addresses, hosts of URLs, who is named with an IP address (he was found), who speaks ("at ...",
// "while talking to ...") and `reporter` are not counted. False where no domain of the recipient is
// known. Linear in the text.
[[nodiscard]] bool names_other_host(std::string_view text, std::string_view recipient,
                                    std::string_view reporter);

}  // namespace postern::classify
