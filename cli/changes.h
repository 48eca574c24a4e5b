// How the verbs that change contacts do it: every address of a call in one transaction, all or
// nothing. An error is an exit status: what is wrong was said on standard error.
#pragma once

#include "cli/context.h"

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::cli {

// The source of every event that the command line makes.
inline constexpr std::string_view source_name = "cli";

// Of an event that a verb makes: by whom, and what they said of it.
[[nodiscard]] store::Origin said_by_operator(std::string_view verb, std::string note);

// Places `hold` on each address, and says on standard output for each that it is `done`, or has
// been since when. The exit status.
[[nodiscard]] int place_holds(const Context& context,
                              std::span<const policy::CanonicalAddress> addresses,
                              const store::PlaceHold& hold, std::string_view done);

// Applies `lifts` to each address; the holds that were lifted, by address. Only mailboxes consent:
// a domain's holds are lifted without.
[[nodiscard]] std::expected<std::vector<std::vector<policy::Hold>>, int> lift_holds(
    const Context& context, std::span<const policy::CanonicalAddress> addresses,
    std::span<const store::LiftHolds> lifts);

}  // namespace postern::cli
