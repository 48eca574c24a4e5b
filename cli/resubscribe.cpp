// `resubscribe`: the contact asked to be written to again. Lifts unsubscriptions and complaints,
// not bounces or blocks.
#include "cli/changes.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/standing.h"
#include "cli/verbs.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace postern::cli {
namespace {

// A hold of every marketing stream is lifted once for each name that a stream has or had.
std::string joined(std::vector<policy::Hold> lifted) {
  std::ranges::sort(lifted, {},
                    [](const policy::Hold& hold) { return std::tie(hold.date, hold.id); });
  const auto repeated = std::ranges::unique(lifted, {}, &policy::Hold::id);
  lifted.erase(repeated.begin(), repeated.end());
  std::string text;
  for (const auto& hold : lifted) text += (text.empty() ? "" : "; ") + describe(hold);
  return text;
}

}  // namespace

int resubscribe(const ResubscribeOptions& options) {
  const auto addresses = parse_contacts(options.addresses, true);
  if (!addresses) return addresses.error();
  const auto context = open_context(options.where, store::Mode::read_write);
  if (!context) return context.error();
  const auto scopes = permission_scopes(*context, options.stream);
  if (!scopes) return scopes.error();

  std::vector<store::LiftHolds> lifts;
  for (const auto& scope : *scopes) {
    store::LiftHolds lift;
    lift.kinds = {policy::HoldKind::unsubscribed, policy::HoldKind::complained};
    lift.scope = scope;
    lift.consent = lifts.empty();  // once, under the stream's present name
    lift.origin = said_by_operator("resubscribe", options.consent);
    lifts.push_back(std::move(lift));
  }
  const auto outcomes = lift_holds(*context, *addresses, lifts);
  if (!outcomes) return outcomes.error();
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    const auto& address = (*addresses)[i];
    const auto& lifted = (*outcomes)[i];
    const auto consent = address.is_domain() || address.is_digest()
                             ? std::string()
                             : "consent to " + describe(scopes->front()) + " recorded; ";
    say(one_line(address.text) + ": " + consent +
        (lifted.empty() ? "there was nothing to lift" : "lifted: " + joined(lifted)));
    if (const auto said = say_what_stands(*context, address); !said) return complain(said.error());
  }
  return exit_done;
}

}  // namespace postern::cli
