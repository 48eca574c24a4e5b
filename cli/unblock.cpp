// `unblock`: lifts the operator's own ban.
#include "cli/changes.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/standing.h"
#include "cli/verbs.h"

#include <span>

namespace postern::cli {

int unblock(const UnblockOptions& options) {
  const auto addresses = parse_contacts(options.addresses, true);
  if (!addresses) return addresses.error();
  const auto context = open_context(options.where, store::Mode::read_write);
  if (!context) return context.error();

  store::LiftHolds lift;
  lift.kinds = {policy::HoldKind::blocked};
  lift.scope = {policy::Scope::Kind::all, {}};
  lift.origin = said_by_operator("unblock", {});
  const auto outcomes = lift_holds(*context, *addresses, std::span(&lift, 1));
  if (!outcomes) return outcomes.error();
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    const auto& address = (*addresses)[i];
    say(one_line(address.text) + ((*outcomes)[i].empty() ? ": was not blocked" : ": unblocked"));
    if (address.is_domain() || address.is_digest()) continue;
    if (const auto said = say_what_stands(*context, address); !said) return complain(said.error());
  }
  return exit_done;
}

}  // namespace postern::cli
