// What verbs say: results to standard output, everything else to standard error, a line at a time.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "policy/contact.h"

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace postern::cli {

// One line on standard output.
void say(std::string_view line);
// One JSON object, one line.
void say(const boost::json::object& object);
// "postern: warning: ..." on standard error.
void warn(std::string_view text);
// "postern: ..." on standard error; answers the exit status: of a wrong call, or as the error's
// code has it.
int wrong_call(std::string_view text);
int complain(const Error& error);

// Free text on one line of a terminal: controls are blanks.
[[nodiscard]] std::string one_line(std::string_view text);
// "every stream", "every marketing stream", "stream newsletter".
[[nodiscard]] std::string describe(const policy::Scope& scope);
// "unsubscribed since 2026-03-01 from every marketing stream", "blocked since 2026-03-01 until
// 2026-05-01".
[[nodiscard]] std::string describe(const policy::Hold& hold);
// What follows a hold, consent or event: " (cli: asked by phone)"; empty where both are.
[[nodiscard]] std::string in_brackets(std::string_view source, std::string_view note);
// Fields "scope" and, where it is one stream's, "stream".
void add_scope(boost::json::object& object, const policy::Scope& scope);

}  // namespace postern::cli
