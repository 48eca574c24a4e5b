// `check-config`: what is wrong with the configuration; and what is odd about it where it is: which
// streams the store knows that it does not, which sources' folders are missing.
#include "base/time.h"
#include "certs/client_context.h"
#include "certs/key_pair.h"
#include "cli/output.h"
#include "cli/privileges.h"
#include "cli/return_mail_recorder.h"
#include "cli/run.h"
#include "cli/settings.h"
#include "cli/verbs.h"
#include "cli/watched_source.h"
#include "policy/stream.h"
#include "web/site.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

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

// The gate looks for it until it is there, and never makes it: what is missing may be a mount.
void name_missing_folders(const std::string& file, const Config& config) {
  for (const auto& source : config.sources) {
    std::error_code error;
    if (std::filesystem::is_directory(source.folder, error)) continue;
    say(fmt::format(
        "{}: warning: source {}: {} is no folder here{}: nothing is imported from it until it is",
        file, source.name, one_line(source.folder.string()),
        error ? " (" + error.message() + ")" : ""));
  }
}

// Of a certificate and its key: what is wrong with them, for `unfit`; what is odd is said.
void look_at_pair(const std::string& file, const std::string& where, const CertificateFiles& files,
                  std::vector<std::string>& unfit) {
  const auto loaded = certs::KeyPair::load(files);
  if (!loaded) return unfit.push_back(fmt::format("{}: {}", where, loaded.error().text));
  if (const auto odd = (*loaded)->odd_dates(current_time())) {
    say(fmt::format("{}: warning: {}: certificate {} {}", file, where,
                    one_line(files.certificate.string()), *odd));
  }
}

// serve would not start without them; here they may be another machine's.
void name_unfit_files(const std::string& file, const Config& config) {
  std::vector<std::string> unfit;
  if (const auto settings = web::site_settings(config); !settings) {
    unfit.push_back(settings.error().text);
  }
  if (!config.web.certificate.empty()) {
    look_at_pair(file, "web.certificate", {config.web.certificate, config.web.key}, unfit);
  }
  for (const auto& listener : config.listeners) {
    for (const auto& files : listener.certificates) {
      look_at_pair(file, "listener " + listener.name, files, unfit);
    }
  }
  const auto look_at = [&](const std::string& what, const UpstreamConfig& upstream) {
    if (upstream.tls != UpstreamConfig::Tls::verify) return;
    const auto made = certs::verifying_context(upstream.ca);
    if (!made) unfit.push_back(what + ": " + made.error().text);
  };
  look_at("upstream", config.upstream);
  for (const auto& route : config.routes) look_at("route", route.upstream);
  if (!config.user.empty()) {
    if (const auto account = find_account(config.user); !account) {
      unfit.push_back("user: " + account.error().text);
    }
  }
  for (const auto& text : unfit) {
    say(fmt::format("{}: warning: {}: serve does not start until it is mended", file,
                    one_line(text)));
  }
}

// A port of the one way of TLS, and the other way configured: both sides would wait for the other.
void name_odd_ports(const std::string& file, const Config& config) {
  const auto look_at = [&](const UpstreamConfig& upstream) {
    const bool implicit = upstream.tls_mode == UpstreamConfig::TlsMode::implicit;
    if (upstream.address.port != (implicit ? 587 : 465)) return;
    say(fmt::format(
        "{}: warning: {}: servers on port {} speak TLS {}: set tls and tls_mode = \"{}\"", file,
        to_string(upstream.address), upstream.address.port,
        implicit ? "after STARTTLS" : "from the first octet", implicit ? "starttls" : "implicit"));
  };
  look_at(config.upstream);
  for (const auto& route : config.routes) look_at(route.upstream);
}

// Links in mail that nobody answers are worse than none.
void name_links_without_pages(const std::string& file, const Config& config) {
  if (config.unsubscribe.url.empty() || config.web.address) return;
  say(
      fmt::format("{}: warning: unsubscribe.url: mail gets links, and without [web] this gate does "
                  "not serve the pages behind them",
                  file));
}

bool has_return_listener(const Config& config) {
  return std::ranges::any_of(config.listeners, [](const ListenerConfig& listener) {
    return listener.role == ListenerConfig::Role::return_path;
  });
}

void name_odd_return_path(const std::string& file, const Config& config) {
  const auto& domain = config.return_path.domain;
  if (domain.empty()) return;
  if (!has_return_listener(config)) {
    say(
        fmt::format("{}: note: return_path.domain: bounces come to whoever is the MX of {}; nobody "
                    "here takes them (no [[listener]] has role = \"return-path\")",
                    file, domain));
  }
  const auto has_mailboxes = [&](const StreamConfig& stream) {
    return std::ranges::any_of(
        stream.sender, [&](const std::string& sender) { return sender.ends_with("@" + domain); });
  };
  if (std::ranges::any_of(config.streams, has_mailboxes)) {
    say(fmt::format(
        "{}: warning: return_path.domain: a stream's senders are of {} itself, and such "
        "envelope senders stay as they are: use a domain of its own, as in bounce.{}",
        file, domain, domain));
  }
  const auto believes_everybody = [&](const ListenerConfig& listener) {
    return listener.role == ListenerConfig::Role::return_path && !listener.trusted.empty();
  };
  if (config.return_path.mailbox_evidence &&
      std::ranges::any_of(config.listeners, believes_everybody)) {
    say(
        fmt::format("{}: note: return_path.mailbox_evidence: whatever reports come from the "
                    "`trusted` peers of a return-path listener are believed: a mail server among "
                    "them that takes mail from the world lets anybody silence anybody",
                    file));
  }
  if (domain == config.hostname || config.hostname.ends_with("." + domain)) {
    say(
        fmt::format("{}: warning: return_path.domain: {} looks like a domain that people have "
                    "mailboxes in, and all its mail is taken for return mail: use one of its own, "
                    "as in bounce.{}",
                    file, domain, domain));
  }
}

void say_problems(const std::string& file, const std::vector<ConfigProblem>& problems) {
  for (const auto& problem : problems) say(to_string(problem, file));
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
    say_problems(file, config.error());
    return exit_call;
  }
  if (const auto problems = check_sources(*config); !problems.empty()) {
    say_problems(file, problems);
    return exit_call;
  }
  if (const auto rules = ReturnMailRecorder::settings_of(*config); !rules) {
    say(fmt::format("{}: return_path.rules: {}", file, rules.error().text));
    return exit_call;
  }
  say(file + ": ok");
  name_missing_folders(file, *config);
  name_unfit_files(file, *config);
  name_odd_ports(file, *config);
  name_links_without_pages(file, *config);
  name_odd_return_path(file, *config);
  if (const auto named = name_unknown_streams(file, *config); !named) {
    warn("the store's streams could not be looked at: " + named.error().text);
  }
  return exit_done;
}

}  // namespace postern::cli
