// RFC 4648 section 6 in lower case and without padding: octets that survive where case does not
// (local parts, links that were typed or folded to one case).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::policy {

[[nodiscard]] constexpr std::size_t base32_size(std::size_t octets) { return (octets * 8 + 4) / 5; }
[[nodiscard]] std::string to_base32(std::span<const std::uint8_t> octets);
// Letters of either case. Nothing where another character is in it, or where it is not what
// to_base32() writes: bits beyond the last octet are zero (section 3.5), so that an octet string
// has one spelling.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> from_base32(std::string_view text);

}  // namespace postern::policy
