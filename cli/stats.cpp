// `stats`: how much is in the store, and how large it is.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {

int stats(const StatsOptions& options) {
  const auto context = open_context(options.where, store::Mode::read_only);
  if (!context) return context.error();
  const auto stats = context->store->stats(context->now);
  if (!stats) return complain(stats.error());
  const std::array<std::pair<std::string_view, std::uint64_t>, 10> counts{
      {{"contacts", stats->contacts},
       {"domains", stats->domains},
       {"events", stats->events},
       {"unsubscribed", stats->unsubscribed},
       {"complained", stats->complained},
       {"bounced", stats->bounced},
       {"blocked", stats->blocked},
       {"consents", stats->consents},
       {"bytes_used", stats->bytes_used},
       {"bytes_file", stats->bytes_file}}};
  boost::json::object object;
  for (const auto& [name, value] : counts) {
    if (options.json) {
      object[name] = value;
    } else {
      say(fmt::format("{:<13}{:>15}", name, value));
    }
  }
  if (options.json) say(object);
  return exit_done;
}

}  // namespace postern::cli
