// Why a recipient is refused: the holds that bind, where each stands, what was said of it, and what
// lifts it. For `check`, and for the verbs that say what still stands after a change.
#pragma once

#include "base/result.h"
#include "cli/context.h"
#include "policy/decision.h"

#include <span>
#include <string>
#include <vector>

namespace postern::cli {

struct StandingHold {
  // Under which it stands: the mailbox itself, without its tag, another spelling by the provider's
  // rule, a domain, or a digest. Empty where the text was erased.
  policy::CanonicalAddress address;
  policy::Hold hold;
  std::string source;
  std::string note;
  std::string import;
  bool says_unknown = false;  // a bounce: the receiver knows no such mailbox
};

// The holds of `findings` that bind any of `streams` at `at`, the one with the event `first` before
// all others.
[[nodiscard]] Result<std::vector<StandingHold>> standing_holds(
    const Context& context, const policy::Findings& findings,
    std::span<const policy::Stream> streams, Time at, const policy::EventId& first = {});

// What was known then: the contacts of `findings` as the events that were recorded until `at` leave
// them.
[[nodiscard]] Result<void> go_back(const store::Store& store, policy::Findings& findings, Time at);

// "unsubscribed since 2026-03-01 from every marketing stream (cli: asked by phone)", and where it
// stands if not on `address`.
[[nodiscard]] std::string describe(const StandingHold& standing,
                                   const policy::CanonicalAddress& address);
// "lift it with: postern unblock a@b".
[[nodiscard]] std::string remedy(const StandingHold& standing);

// After a change: what binds any stream still, two lines a hold on standard output.
[[nodiscard]] Result<void> say_what_stands(const Context& context,
                                           const policy::CanonicalAddress& address);

}  // namespace postern::cli
