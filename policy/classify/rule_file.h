// Reads rules from TOML.
#pragma once

#include "base/result.h"
#include "policy/classify/rule.h"

#include <string_view>
#include <vector>

namespace postern::classify {

inline constexpr std::size_t max_rule_file = std::size_t{4} * 1024 * 1024;
inline constexpr std::size_t max_phrase = 200;  // octets, in normal form

// In the order of the file. Errc::invalid names file, line and key of the first mistake, and what
// to write instead.
[[nodiscard]] Result<std::vector<Rule>> read_rules(std::string_view toml,
                                                   std::string_view file_name);

}  // namespace postern::classify
