// `postern serve`: joins the store to the proxy.
#include "base/config.h"
#include "base/log.h"
#include "cli/run.h"
#include "cli/settings.h"
#include "cli/store_keeper.h"
#include "cli/verbs.h"
#include "proxy/server.h"

#include <csignal>
#include <optional>
#include <sys/resource.h>

#include <fmt/format.h>

namespace postern::cli {

namespace {

// The file, then the flags over it; every problem is logged. INTERFACE.md: with no file and no
// flags, the defaults.
std::optional<Config> read_config(const ServeOptions& options) {
  Config config = Config::defaults();
  if (const auto file = find_config(options.config)) {
    auto loaded = load_config(*file);
    if (!loaded) {
      for (const auto& problem : loaded.error()) log::error(to_string(problem, file->string()));
      return std::nullopt;
    }
    config = *std::move(loaded);
  }
  if (!options.store.empty()) config.store_path = options.store;
  const auto endpoint = [](std::string_view flag, const std::string& text, Endpoint& into) {
    if (text.empty()) return true;
    const auto parsed = parse_endpoint(text);
    if (!parsed) {
      log::error(fmt::format("{}: {}", flag, parsed.error().text));
      return false;
    }
    into = *parsed;
    return true;
  };
  if (!options.listen.empty()) config.listeners.resize(1);
  if (!endpoint("--listen", options.listen, config.listeners.front().address)) return std::nullopt;
  if (!endpoint("--upstream", options.upstream, config.upstream.address)) return std::nullopt;
  if (!options.web.empty()) {
    log::error("--web: the unsubscribe page is not in this build; leave the option out");
    return std::nullopt;
  }
  return config;
}

// A gate in front of many clients needs more than the customary 1,024 descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) log::warning("cannot raise the limit of open files");
}

void apply_log_level(const Config& config) {
  if (const auto level = log::parse_level(config.log_level)) log::set_level(*level);
}

}  // namespace

int serve(const ServeOptions& options) {
  log::start(log::Level::info);
  const auto config = read_config(options);
  if (!config) return exit_call;
  apply_log_level(*config);
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);

  StoreKeeper keeper({.path = config->store_path,
                      .mode = store::Mode::create,
                      .map_size = config->store_map_size,
                      .providers = config->providers});
  auto server = proxy::Server::create(*config, {.reader = [&] { return keeper.reader(); },
                                                .reload =
                                                    [&] {
                                                      auto again = read_config(options);
                                                      if (again) apply_log_level(*again);
                                                      return again;
                                                    },
                                                .every_second = [&] { keeper.look(); }});
  if (!server) {
    log::error(server.error().text);
    return exit_failed;
  }
  for (const auto& line : (*server)->listening()) log::info(line);
  log::info(fmt::format("upstream {}, store {}", to_string(config->upstream.address),
                        config->store_path.string()));
  (*server)->run();
  log::info("stopped");
  return exit_done;
}

}  // namespace postern::cli
