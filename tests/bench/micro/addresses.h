// Addresses as benchmarks ask for them: of many providers, in no order, none twice.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace postern::bench {

inline std::string address(std::uint32_t number) {
  static constexpr std::array<std::string_view, 6> domains{"gmail.com",      "example.com",
                                                           "yahoo.example",  "corp.example.org",
                                                           "web.example.de", "mail.example.fr"};
  const std::uint32_t scattered = number * 2'654'435'761U;
  return fmt::format("user{:08x}.{}@{}", scattered, number % 97,
                     domains[scattered % domains.size()]);
}

// From `first` on; a power of two of them, so that a benchmark goes round with a mask.
template <class Make>
auto made(std::uint32_t first, std::uint32_t count, Make make) {
  std::vector<decltype(make(std::string()))> all;
  all.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) all.push_back(make(address(first + i)));
  return all;
}

}  // namespace postern::bench
