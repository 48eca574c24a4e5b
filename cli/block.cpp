// `block`: the operator's own ban of a mailbox or a domain, above every other state.
#include "cli/changes.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"

#include <fmt/format.h>

namespace postern::cli {

int block(const BlockOptions& options) {
  const auto addresses = parse_contacts(options.addresses, true);
  if (!addresses) return addresses.error();
  store::PlaceHold hold;
  if (!options.until.empty()) {
    const auto until = parse_time(options.until);
    if (!until) return wrong_call("--until: " + until.error().text);
    if (*until <= current_time()) {
      return wrong_call(fmt::format("--until: {} is in the past", format_time(*until)));
    }
    hold.until = *until;
  }
  const auto context = open_context(options.where, store::Mode::read_write);
  if (!context) return context.error();

  hold.kind = policy::HoldKind::blocked;
  hold.scope = {policy::Scope::Kind::all, {}};
  hold.origin = said_by_operator("block", options.reason);
  return place_holds(*context, *addresses, hold,
                     hold.until ? "blocked until " + format_time(*hold.until) : "blocked");
}

}  // namespace postern::cli
