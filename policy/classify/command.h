// Which SMTP command was refused. "User unknown" says what it says in answer to RCPT; after DATA a
// filter says it of a message that it does not want, and after MAIL it is said of the sender.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postern::classify {

enum class Command : std::uint8_t { unknown, mail, rcpt, data };

// As reporters tell it: "(in reply to RCPT TO command)", ">>> DATA", "after end of data". Where
// `said` stands in the text several times, the first place with a command in front of it is looked
// at; the last command in front counts, or else the first behind. Where `said` does not stand
// there, the last of all. Linear.
[[nodiscard]] Command command_of(std::string_view text, std::string_view said = {});

// What servers answered to MAIL, of the transcripts of sessions in the text (">>> MAIL From:<@>",
// then lines of "<<< "); lower case. Linear.
[[nodiscard]] std::string answers_to_mail(std::string_view text);
[[nodiscard]] bool was_answer(std::string_view answers, std::string_view said);

}  // namespace postern::classify
