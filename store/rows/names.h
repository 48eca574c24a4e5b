// Words that people and tools write in their own ways: column names, values that mean yes or no,
// names of lists.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postern::rows {

// What is left of a name when case, accents (of Latin-1), blanks and punctuation are dropped:
// "E-Mail Adresse" and "email_adresse" are "emailadresse". Letters of other scripts stay.
[[nodiscard]] std::string plain_name(std::string_view text);

// A cell that may be a truth value, in English, German, French, Spanish.
enum class Truth : std::uint8_t { yes, no, empty, other };
[[nodiscard]] Truth truth_of(std::string_view text);

// Of a status: the contact is written to there, or nothing is known; neither an opt-out nor a
// consent. "active", "enabled", "none", "unconfirmed", "soft bounce", ...
[[nodiscard]] bool says_nothing(std::string_view status);

// The name of a stream for somebody else's list, tag or subscription type: itself where a stream
// may be called so, else with "-" for what may not be there ("Marketing Information" is
// "Marketing-Information"). Empty where nothing is left, or "all", which means something else here.
[[nodiscard]] std::string stream_for(std::string_view list);

}  // namespace postern::rows
