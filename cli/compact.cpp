// `compact`: gives space back, and the bytes of what was erased.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "store/compaction.h"

#include <fmt/format.h>

namespace postern::cli {

int compact(const CompactOptions& options) {
  const auto context = open_context(options.where, store::Mode::read_write);
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
  if (done->readers_left > 0) {
    warn(
        fmt::format("{} readers of other processes still look at the old file, and miss what is "
                    "changed from now on: restart what has had the store open for long",
                    done->readers_left));
  }
  say(fmt::format("compacted: {} octets, {} before", done->after, done->before));
  return exit_done;
}

}  // namespace postern::cli
