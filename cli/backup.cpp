// `backup`: a copy of the store that was checked, while the gate serves.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"

#include <fmt/format.h>

namespace postern::cli {

int backup(const BackupOptions& options) {
  const auto context = open_context(options.where, store::Mode::read_only, Reads::most);
  if (!context) return context.error();
  if (const auto done = context->store->backup(options.directory); !done) {
    return complain(done.error());
  }
  say(fmt::format("{}: backup of {}, checked", one_line(options.directory),
                  context->settings.config.store_path.string()));
  return exit_done;
}

}  // namespace postern::cli
