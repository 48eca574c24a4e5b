// `forget`: what is known of a person is erased, the opt-out stays in force.
#include "cli/changes.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "store/compaction.h"
#include "store/forgotten.h"

#include <fmt/format.h>

namespace postern::cli {

int forget(const ForgetOptions& options) {
  const auto address = policy::parse_contact(options.address, false);
  if (!address) return complain(address.error());
  auto context = open_context(options.where, store::Mode::read_write);
  if (!context) return context.error();
  const Config& config = context->settings.config;
  const auto ledger =
      config.forgotten.empty() ? store::default_ledger(config.store_path) : config.forgotten;
  const auto origin = said_by_operator("forget", {});
  const auto done = write_to(*context, [&](store::Store& store) {
    return store.forget(*address, ledger, origin, context->now);
  });
  if (!done) return complain(done.error());
  const bool known = done->contacts + done->rows + done->texts > 0;
  if (!known) {
    say(one_line(address->text) + ": not known");
    // Asked for again, it may be about bytes that an earlier call left in free pages.
    if (!options.now) return exit_no;
  } else {
    say(fmt::format("{}: forgotten; what stands goes on standing", one_line(address->text)));
  }
  if (!options.now) {
    say("its bytes are gone from the disk after the next compaction: at night, or now with "
        "postern compact");
    return exit_done;
  }
  const auto compacted = context->store->compact();
  if (!compacted) return complain(compacted.error());
  warn_of_old_readers(*compacted);
  say("the store was compacted: its files hold no byte of it; older backups do");
  return known ? exit_done : exit_no;
}

}  // namespace postern::cli
