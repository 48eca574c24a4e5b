// `unsubscribe`: the contact asked not to be written to.
#include "cli/changes.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"

namespace postern::cli {

int unsubscribe(const UnsubscribeOptions& options) {
  const auto addresses = parse_contacts(options.addresses, false);
  if (!addresses) return addresses.error();
  const auto context = open_context(options.where, store::Mode::read_write);
  if (!context) return context.error();
  const auto scope = hold_scope(*context, options.stream);
  if (!scope) return scope.error();

  store::PlaceHold hold;
  hold.kind = policy::HoldKind::unsubscribed;
  hold.scope = *scope;
  hold.origin = said_by_operator("unsubscribe", options.reason);
  return place_holds(*context, *addresses, hold, "unsubscribed from " + describe(*scope));
}

}  // namespace postern::cli
