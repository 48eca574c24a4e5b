// `check-config`: what is wrong with the configuration; and which streams the store knows that it
// does not.
#include "cli/output.h"
#include "cli/run.h"
#include "cli/settings.h"
#include "cli/verbs.h"
#include "policy/stream.h"

#include <fmt/format.h>

namespace postern::cli {
namespace {

// Holds of such a stream count for every marketing stream: INTERFACE.md has `check-config` name it.
Result<void> name_unknown_streams(const std::string& file, const Config& config) {
  const auto store = store::Store::open({.path = config.store_path,
                                         .mode = store::Mode::read_only,
                                         .map_size = config.store_map_size,
                                         .providers = std::nullopt});
  if (!store && store.error().code == Errc::not_found) return {};
  if (!store) return std::unexpected(store.error());
  const auto names = (*store)->stream_names();
  if (!names) return std::unexpected(names.error());
  const policy::Streams streams(config.streams);
  for (const auto& name : *names) {
    if (streams.find(name) != nullptr) continue;
    say(
        fmt::format("{}: warning: the store has holds or consents of a stream {}, which is not "
                    "configured: its holds count for every marketing stream (formerly = [\"{}\"] "
                    "gives them to another)",
                    file, one_line(name), one_line(name)));
  }
  return {};
}

}  // namespace

int check_config(const CheckConfigOptions& options) {
  const auto found = find_config(options.config);
  if (!found) {
    return wrong_call(
        "there is no configuration: name one with --config or the environment's POSTERN_CONFIG");
  }
  const auto file = one_line(found->string());
  const auto config = load_config(*found);
  if (!config) {
    for (const auto& problem : config.error()) say(to_string(problem, file));
    return exit_call;
  }
  say(file + ": ok");
  if (const auto named = name_unknown_streams(file, *config); !named) {
    warn("the store's streams could not be looked at: " + named.error().text);
  }
  return exit_done;
}

}  // namespace postern::cli
