// `compact`: gives space back, and the bytes of what was erased.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "store/compaction.h"

#include <fmt/format.h>

namespace postern::cli {

int compact(const CompactOptions& options) {
  const auto context = open_context(options.where, store::Mode::read_write, Reads::most);
  if (!context) return context.error();
  if (options.if_owed) {
    const auto owed = context->store->owes_compaction();
    if (!owed) return complain(owed.error());
    if (!*owed) {
      say("nothing was erased since the last compaction");
      return exit_done;
    }
  }
  const auto done = context->store->compact();
  if (!done) return complain(done.error());
  warn_of_old_readers(*done);
  say(fmt::format("compacted: {} octets, {} before", done->after, done->before));
  return exit_done;
}

}  // namespace postern::cli
