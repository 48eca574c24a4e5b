// SipHash-2-4 with 128 bits of output (Aumasson, Bernstein: "SipHash: a fast short-input PRF").
// OpenSSL has it too, but fetches and starts a context for each hash: a tenth of the cost.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace postern::store {

// Of the pieces as if they were one text.
[[nodiscard]] std::array<std::uint8_t, 16> siphash(const std::array<std::uint8_t, 16>& key,
                                                   std::initializer_list<std::string_view> pieces);

}  // namespace postern::store
