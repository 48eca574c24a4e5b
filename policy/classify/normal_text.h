// What servers say, in one spelling: so that one phrase meets all the ways in which it is wrapped,
// folded and decorated on its way into a report.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::classify {

// Of longer texts the rest is not read.
inline constexpr std::size_t max_text = std::size_t{16} * 1024;

// Lower case (case folding), white space as one blank (none between Chinese or Japanese
// characters), typographic quotes as ASCII's, each address as a lone "@" (with its angle brackets),
// and without the codes that repeat at the front of an SMTP reply's further lines. What is not
// UTF-8 becomes a question mark.
[[nodiscard]] std::string normal_text(std::string_view text);

// Whether the part [begin, end) of a normal text is not the end (the beginning) of a longer word.
[[nodiscard]] bool begins_word(std::string_view text, std::size_t begin, std::size_t end);
[[nodiscard]] bool ends_word(std::string_view text, std::size_t begin, std::size_t end);
// Whether the part is a lone word, and a label of a host name or a part of one: "spam" in
// spam-gate.example.net says nothing.
[[nodiscard]] bool within_host_name(std::string_view text, std::size_t begin, std::size_t end);

}  // namespace postern::classify
