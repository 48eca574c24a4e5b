// `postern serve`: joins the store to the proxy and to the pages.
#include "base/config.h"
#include "base/log.h"
#include "base/metrics.h"
#include "cli/copy_ledger.h"
#include "cli/opt_out_writer.h"
#include "cli/privileges.h"
#include "cli/return_contexts.h"
#include "cli/return_mail_recorder.h"
#include "cli/run.h"
#include "cli/service_manager.h"
#include "cli/serving_lock.h"
#include "cli/settings.h"
#include "cli/source_watcher.h"
#include "cli/store_gauges.h"
#include "cli/store_keeper.h"
#include "cli/traffic_recorder.h"
#include "cli/verbs.h"
#include "cli/watched_source.h"
#include "proxy/server.h"
#include "web/server.h"
#include "web/site.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <sys/resource.h>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::cli {

namespace {

// The file, then the flags over it. An error is the exit status; what is wrong was said.
std::expected<Config, int> read_config(const ServeOptions& options) {
  auto settings = load_settings({.store = options.store, .config = options.config}, &log::error);
  if (!settings) return std::unexpected(settings.error());
  Config config = std::move(settings->config);
  const auto problems = check_sources(config);
  for (const auto& problem : problems) {
    log::error(to_string(problem, settings->file->string()));
  }
  if (!problems.empty()) return std::unexpected(exit_call);
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
  // A configuration that was found by itself may be about another store: its exports are not ours.
  if (!options.store.empty() && options.config.empty() && !config.sources.empty()) {
    log::warning("--store without --config: the [[source]] folders are left alone");
    config.sources.clear();
  }
  if (!options.listen.empty()) {
    config.listeners.resize(1);
    config.listeners.front().socket.clear();
  }
  if (!endpoint("--listen", options.listen, config.listeners.front().address) ||
      !endpoint("--upstream", options.upstream, config.upstream.address)) {
    return std::unexpected(exit_call);
  }
  if (!options.web.empty()) {
    config.web.address.emplace();
    if (!endpoint("--web", options.web, *config.web.address)) return std::unexpected(exit_call);
    if (public_url(config).empty()) {
      log::error(
          "--web: people have to reach the pages from outside: a configuration has to say where, "
          "as url in [unsubscribe]");
      return std::unexpected(exit_call);
    }
  }
  if (!config.unsubscribe.url.empty() && !config.web.address) {
    log::warning("mail gets unsubscribe links, and without [web] nobody here serves their pages");
  }
  return config;
}

// A configuration that was read while another is in use.
struct ReadAnew {
  Config config;
  ReturnMailRecorder::Settings returns;
  std::shared_ptr<const web::SiteSettings> pages;
};

// Nullopt where something of it cannot be used; that was said.
std::optional<ReadAnew> read_anew(const ServeOptions& options) {
  const auto refused = [](const std::string& why) {
    if (!why.empty()) log::error(why);
    log::error("the configuration stays as it was");
    return std::nullopt;
  };
  auto config = read_config(options);
  if (!config) return refused({});
  auto returns = ReturnMailRecorder::settings_of(*config);
  if (!returns) return refused(returns.error().text);
  // As at the start: where there are no pages, nothing of theirs is looked at.
  auto pages = config->web.address ? web::site_settings(*config)
                                   : Result<std::shared_ptr<const web::SiteSettings>>(nullptr);
  if (!pages) return refused(pages.error().text);
  return ReadAnew{
      .config = *std::move(config), .returns = *std::move(returns), .pages = *std::move(pages)};
}

// A gate in front of many clients needs more than the customary 1,024 descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) log::warning("cannot raise the limit of open files");
}

// Whom to become once the ports are bound; nullopt: nobody, we stay who we are. An error is the
// exit status.
std::expected<std::optional<Account>, int> account_to_become(const Config& config) {
  if (::geteuid() != 0) return std::nullopt;
  if (config.user.empty()) {
    log::warning("runs as root: name a user in the configuration, as in user = \"postern\"");
    return std::nullopt;
  }
  // Root would make it in a folder that is the account's, where anything may lie in wait.
  const auto plain = std::ranges::find_if(config.listeners, [](const ListenerConfig& listener) {
    return listener.tls != ListenerConfig::Tls::off && listener.certificates.empty();
  });
  if (plain != config.listeners.end()) {
    log::error(
        fmt::format("listener {}: root makes no development certificate for a user: set "
                    "certificate and key, or start as that user",
                    plain->name));
    return std::unexpected(exit_call);
  }
  auto account = find_account(config.user);
  if (account) return *std::move(account);
  log::error(account.error().text);
  return std::unexpected(exit_call);
}

// The store's folder is the account's, and so are we.
Result<void> give_up_root(const Account& account, const Config& config) {
  if (auto made = make_folder_for(account, config.store_path); !made) return made;
  if (auto became = become(account); !became) return became;
  log::info(fmt::format("root's rights were given up; runs as {}", account.name));
  return {};
}

std::string names_of_sockets(const Config& config) {
  std::string names;
  for (const auto& listener : config.listeners) names += listener.name + ", ";
  return names + "web, admin";
}

void apply_log_level(const Config& config) {
  if (const auto level = log::parse_level(config.log_level)) log::set_level(*level);
}

void tell(const ServiceManager& manager, proxy::Server::Phase phase) {
  switch (phase) {
    case proxy::Server::Phase::serving:
      return manager.ready("Serving");
    case proxy::Server::Phase::reloading:
      return manager.reloading();
    case proxy::Server::Phase::draining:
      return manager.stopping();
  }
}

}  // namespace

int serve(const ServeOptions& options) {
  log::start(log::Level::info);
  const auto config = read_config(options);
  if (!config) return config.error();
  apply_log_level(*config);
  if (auto hardened = harden_process(); !hardened) log::warning(hardened.error().text);
  raise_descriptor_limit();
  const auto account = account_to_become(*config);
  if (!account) return account.error();
  ServiceManager manager;
  auto passed = ServiceManager::sockets();
  if (!passed) {
    log::error(passed.error().text);
    return exit_failed;
  }
  std::signal(SIGPIPE, SIG_IGN);

  StoreKeeper keeper({.path = config->store_path,
                      .mode = store::Mode::create,
                      .map_size = config->store_map_size,
                      .providers = config->providers});
  std::atomic<bool> ended = false;
  std::mutex looking;
  const auto current_store = [&] {
    // At the end nobody else looks whether a compaction has replaced the store.
    if (ended) {
      const std::lock_guard lock(looking);
      keeper.look();
    }
    return keeper.store();
  };
  // Until all that writes has ended.
  ServingLock lock(config->store_path);
  TrafficRecorder recorder(current_store);
  CopyLedger ledger(current_store);
  metrics::Registry registry;
  registry.gauge("postern_build_info", "The program's version.", {{"version", POSTERN_VERSION}})
      .set(1);
  StoreGauges gauges(registry, current_store, config->store_path);
  std::unique_ptr<web::Server> pages;
  OptOutWriter opt_outs(current_store, config->store_path);
  const proxy::LinkKeySource link_keys = [&]() -> std::shared_ptr<const policy::LinkKeys> {
    auto keys = opt_outs.link_keys();
    return keys ? *std::move(keys) : nullptr;
  };
  ReturnContexts contexts(current_store, link_keys);
  auto return_settings = ReturnMailRecorder::settings_of(*config);
  if (!return_settings) {
    log::error(return_settings.error().text);
    return exit_call;
  }
  ReturnMailRecorder returns(
      {.store = current_store, .links = link_keys, .contexts = contexts, .metrics = registry},
      *std::move(return_settings));
  std::optional<SourceWatcher> watcher;
  const auto apply = [&](const ReadAnew& now) {
    returns.reload(now.returns);
    if (now.config.store_path != config->store_path ||
        now.config.store_map_size != config->store_map_size ||
        now.config.providers != config->providers) {
      log::warning("[store] and [[provider]] change with a restart only");
    }
    apply_log_level(now.config);
    if (pages) pages->reload(now.config, now.pages);
    if (watcher) watcher->reload(now.config);
  };
  const auto reload = [&]() -> std::optional<proxy::Server::Reload> {
    auto now = read_anew(options);
    if (!now) return std::nullopt;
    auto wanted = now->config;
    return proxy::Server::Reload{.config = std::move(wanted),
                                 .apply = [&apply, read = std::make_shared<const ReadAnew>(
                                                       *std::move(now))] { apply(*read); }};
  };
  // Once, when all of it serves.
  std::function<void()> announce;
  auto server = proxy::Server::create(*config, {.reader = [&] { return keeper.reader(); },
                                                .reload = reload,
                                                .every_second =
                                                    [&](auto oldest_tick) {
                                                      keeper.look();
                                                      lock.look();
                                                      manager.alive(oldest_tick);
                                                    },
                                                .phase =
                                                    [&](auto phase) {
                                                      if (announce) std::exchange(announce, {})();
                                                      tell(manager, phase);
                                                    },
                                                .passed = &*passed,
                                                .shared = {.traffic = &recorder,
                                                           .ledger = &ledger,
                                                           .link_keys = link_keys,
                                                           .contexts = &contexts,
                                                           .returns = &returns,
                                                           .metrics = &registry}});
  if (!server) {
    log::error(server.error().text);
    return exit_failed;
  }
  auto made = web::Server::create(*config, {.opt_outs = opt_outs,
                                            .reader = [&] { return keeper.reader(); },
                                            .metrics = registry,
                                            .passed = &*passed});
  if (!made) {
    log::error(made.error().text);
    return exit_failed;
  }
  pages = *std::move(made);
  if (const auto problem = unwanted(*passed, names_of_sockets(*config))) {
    log::error(problem->text);
    return exit_call;
  }
  // With the ports and the keys in hand. No thread runs yet, and the store was not touched: it is
  // the account's, who could have put anything there.
  if (*account) {
    if (const auto done = give_up_root(**account, *config); !done) {
      log::error(done.error().text);
      return exit_failed;
    }
  }
  if (const auto taken = lock.take(); !taken && taken.error().code == Errc::busy) {
    log::error(taken.error().text);
    return exit_failed;
  } else if (!taken) {
    log::warning(fmt::format("whether another gate serves from the store cannot be told: {}",
                             taken.error().text));
  }
  announce = [&] {
    for (const auto& line : (*server)->listening()) log::info(line);
    for (const auto& line : pages->listening()) log::info(line);
    log::info(fmt::format("upstream {}, store {}", to_string(config->upstream.address),
                          config->store_path.string()));
  };
  keeper.look();
  recorder.start();
  ledger.start();
  gauges.start();
  opt_outs.start();
  contexts.start();
  returns.start();
  // Not before the ports are ours: of two gates by mistake the second must import nothing.
  watcher.emplace(*config, [&] { return keeper.store(); });
  pages->start();
  (*server)->run();
  // What writes to the store still waits for a compaction.
  keeper.end_compaction();
  pages->stop();
  watcher.reset();
  ended = true;
  log::info("stopped");
  return exit_done;
}

}  // namespace postern::cli
