// Which of the pages' languages a person reads (RFC 9110 section 12.5.4).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace postern::web {

enum class Language : std::uint8_t { english, french, german, spanish };
inline constexpr std::array languages{Language::english, Language::french, Language::german,
                                      Language::spanish};
[[nodiscard]] std::string_view tag(Language language);   // "en": RFC 5646
[[nodiscard]] std::string_view name(Language language);  // "English", "Français": its own

[[nodiscard]] std::optional<Language> parse_language(std::string_view tag);
// The one with the greatest weight, of equal ones the first; English where there is none of ours.
[[nodiscard]] Language choose_language(std::string_view accept_language);

}  // namespace postern::web
