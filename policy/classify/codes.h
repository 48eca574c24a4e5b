// Codes of SMTP replies: those that stand in a text (RFC 5321 section 4.2, RFC 3463), which of
// several counts, and patterns of them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::classify {

// Of a failure: 4.x.x or 5.x.x.
struct EnhancedCode {
  std::array<std::uint16_t, 3> parts{};

  // 0 says nothing (x.0.0), 1 little (x.y.0; x.4.7: for some reason, until its time was over), 2
  // something.
  [[nodiscard]] int detail() const;
  bool operator==(const EnhancedCode&) const = default;
};
[[nodiscard]] std::string to_string(const EnhancedCode& code);
// Exactly such a code: class 4 or 5, subject to 7, detail to 999.
[[nodiscard]] std::optional<EnhancedCode> parse_enhanced_code(std::string_view text);
[[nodiscard]] bool is_enhanced_code(std::string_view text);
// All that stand in the text, in order; numbers of versions and IP addresses are none.
[[nodiscard]] std::vector<EnhancedCode> enhanced_codes(std::string_view text);

// The code that counts: the field's unless one in the diagnostic says more.
[[nodiscard]] std::optional<EnhancedCode> counting_code(std::string_view field,
                                                        std::string_view diagnostic);

// The reply codes of failures, 400 to 559, in order.
[[nodiscard]] std::vector<std::uint16_t> reply_codes(std::string_view text);

// "5.7.606-649", "*.2.2": a number, a range or a star for each part; "none" where there is no code.
// "550", "55x", "5xx".
struct CodePattern {
  struct Range {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
  };
  std::array<Range, 3> parts{};

  [[nodiscard]] bool matches(const std::optional<EnhancedCode>& code) const;
  [[nodiscard]] bool matches(std::uint16_t reply) const;
  // Says nothing that other evidence would not say better: a detail of 0 and no other, or none.
  [[nodiscard]] bool generic() const { return parts[2].last == 0; }
};
[[nodiscard]] std::optional<CodePattern> parse_status_pattern(std::string_view text);
[[nodiscard]] std::optional<CodePattern> parse_reply_pattern(std::string_view text);

}  // namespace postern::classify
