// Domains and address literals: every spelling to the one that a resolver is asked with. RFC 5321
// section 4.1.2 and 4.1.3, UTS #46 (non-transitional).
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace postern::policy {

// A value, or why there is none: a clause without subject for "... is no address: WHY".
template <class T>
using Parsed = std::expected<T, std::string_view>;

// Lower case, A-labels, no final dot: "example.com", "xn--mnchen-3ya.example"; or a literal:
// "[192.0.2.1]",
// "[ipv6:2001:db8::1]". Accepts what a resolver could take: underscores, labels of digits, a single
// label, A-labels that decode to nothing (those have no other spelling). Labels to 63 octets,
// together to max_domain.
[[nodiscard]] Parsed<std::string> parse_domain(std::string_view text);

// The same of a domain of nothing but ASCII labels, without a final dot. False where it is anything
// else, or wrong: `domain` says nothing then.
[[nodiscard]] bool plain_domain(std::string_view text, std::string& domain);

// One label that is not ASCII, as the A-label (or the ASCII label) that it maps to.
[[nodiscard]] Parsed<std::string> label_to_ascii(std::string_view label);

}  // namespace postern::policy
