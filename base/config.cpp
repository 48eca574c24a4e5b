#include "base/config.h"

#include "base/config_listener.h"
#include "base/config_return_path.h"
#include "base/config_section.h"
#include "base/config_upstream.h"
#include "base/config_values.h"
#include "base/log.h"
#include "base/text.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

namespace postern {
namespace {

using config::Problems;
using config::Section;
using config::Taken;

constexpr std::size_t max_file = 1U << 20U;
constexpr std::size_t max_problems = 100;
constexpr std::chrono::days longest_wait{3'650};  // for a source to bring something

void read_folder(Section& section, std::string_view key, std::filesystem::path& path) {
  std::string text = path.string();
  section.text(key, text);
  if (text.empty() || text.find('\0') != std::string::npos) {
    section.problem(section.line(key), key, "a folder has to be named");
  }
  path = text;
}

void read_listeners_of(Section& section, StreamConfig& stream, const Config& config) {
  section.each_text("listener", [&](std::string_view text, std::uint32_t line) {
    stream.listener.emplace_back(text);
    std::vector<std::string> names;
    for (const auto& listener : config.listeners) {
      const bool in_streams = listener.role != ListenerConfig::Role::return_path;
      if (in_streams) names.push_back(listener.name);
      if (in_streams || listener.name != text) continue;
      return section.problem(line, "listener",
                             fmt::format("'{}' takes return mail, which is in no stream", text));
    }
    if (std::ranges::find(names, text) != names.end()) return;
    section.problem(line, "listener",
                    fmt::format("no [[listener]] is named '{}'; there are: {}", printable(text, 60),
                                fmt::join(names, ", ")));
  });
}

void read_stream(Section& section, StreamConfig& stream, const Config& config, Taken& names,
                 Taken& list_ids) {
  section.text("name", stream.name);
  section.report(section.line("name"), "name", config::check_stream_name(stream.name));
  section.report(section.line("name"), "name", names.take(stream.name, section.line("name")));
  section.text("title", stream.title);
  section.report(section.line("title"), "title", config::check_shown_text(stream.title));
  section.text("description", stream.description);
  section.report(section.line("description"), "description",
                 config::check_shown_text(stream.description));
  section.each_text("formerly", [&](std::string_view text, std::uint32_t line) {
    stream.formerly.emplace_back(text);
    section.report(line, "formerly", config::check_stream_name(text));
    section.report(line, "formerly", names.take(stream.formerly.back(), line));
  });
  using Kind = StreamConfig::Kind;
  section.choice<Kind>("kind", stream.kind,
                       {{"marketing", Kind::marketing}, {"transactional", Kind::transactional}});
  section.flag("offer", stream.offer);
  if (stream.offer && stream.kind == Kind::transactional) {
    section.problem(section.line("offer"), "offer",
                    "a transactional stream cannot be left, so it is not offered");
  }
  section.each_text("sender", [&](std::string_view text, std::uint32_t line) {
    stream.sender.emplace_back(text);
    section.report(line, "sender", config::check_sender_pattern(text));
  });
  section.each_text("login", [&](std::string_view text, std::uint32_t line) {
    stream.login.emplace_back(text);
    section.report(line, "login", config::check_login_pattern(text));
  });
  using ConsentRule = StreamConfig::ConsentRule;
  section.choice<ConsentRule>("consent", stream.consent,
                              {{"opt-out", ConsentRule::opt_out}, {"opt-in", ConsentRule::opt_in}});
  read_listeners_of(section, stream, config);
  if (section.text("list_id", stream.list_id)) {
    const auto line = section.line("list_id");
    stream.list_id = to_lower(stream.list_id);
    section.report(line, "list_id", config::check_list_id(stream.list_id));
    if (!stream.list_id.empty()) {
      section.report(line, "list_id", list_ids.take(stream.list_id, line));
    }
  }
  using ListUnsubscribe = StreamConfig::ListUnsubscribe;
  section.choice<ListUnsubscribe>("list_unsubscribe", stream.list_unsubscribe,
                                  {{"add", ListUnsubscribe::add},
                                   {"replace", ListUnsubscribe::replace},
                                   {"off", ListUnsubscribe::off}});
  section.text("feedback_id", stream.feedback_id);
  section.report(section.line("feedback_id"), "feedback_id",
                 config::check_feedback_id(stream.feedback_id));
  config::read_return_path_of(section, stream, config.return_path);
}

void read_provider(Section& section, ProviderConfig& provider, Taken& domains) {
  section.each_text("domains", [&](std::string_view text, std::uint32_t line) {
    provider.domains.push_back(to_lower(text));
    section.report(line, "domains", config::check_domain(text));
    section.report(line, "domains", domains.take(provider.domains.back(), line));
  });
  if (provider.domains.empty()) {
    section.problem(section.line("domains"), "domains", "at least one domain has to be named");
  }
  section.flag("ignore_dots", provider.ignore_dots);
}

// The folder as everybody would spell it: one that is watched twice is imported twice.
std::string spelled(const std::filesystem::path& folder) {
  const auto path = folder.lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).string();
}

bool is_within(const std::filesystem::path& inner, const std::filesystem::path& outer) {
  const auto to = inner.lexically_normal().lexically_relative(outer.lexically_normal());
  return !to.empty() && *to.begin() != "..";
}

void read_map(Section& section, SourceConfig& source) {
  for (const std::string_view meaning :
       {"address", "date", "status", "stream", "reason", "until"}) {
    std::string column;
    if (!section.text(meaning, column)) continue;
    if (column.empty()) {
      section.problem(section.line(meaning), meaning, "a column of the file has to be named");
    }
    source.map.emplace_back(meaning, std::move(column));
  }
}

// A slip in the name would widen what the rows say to every marketing stream.
void check_stream_of(Section& section, const SourceConfig& source, const Config& config) {
  if (source.stream.empty() || source.stream == "default") return;
  std::vector<std::string> names;
  for (const auto& stream : config.streams) {
    if (stream.name == source.stream) return;
    if (std::ranges::find(stream.formerly, source.stream) != stream.formerly.end()) return;
    names.push_back(stream.name);
  }
  if (std::ranges::find(names, "default") == names.end()) names.emplace_back("default");
  section.problem(section.line("stream"), "stream",
                  fmt::format("no [[stream]] is named '{}'; there are: {}",
                              printable(source.stream, 60), fmt::join(names, ", ")));
}

void read_source(Section& section, SourceConfig& source, const Config& config, Taken& names,
                 Taken& folders) {
  section.text("name", source.name);
  section.report(section.line("name"), "name", config::check_name(source.name));
  section.report(section.line("name"), "name", names.take(source.name, section.line("name")));
  read_folder(section, "folder", source.folder);
  if (!source.folder.empty()) {
    section.report(section.line("folder"), "folder",
                   folders.take(spelled(source.folder), section.line("folder")));
    if (is_within(source.folder, config.store_path)) {
      section.problem(section.line("folder"), "folder",
                      "it lies in the store's folder, which is the store's alone");
    }
  }
  section.text("format", source.format);
  source.line.number = section.line("format");
  section.choice<std::string>("status", source.status,
                              {{"unsubscribed", "unsubscribed"},
                               {"bounced", "bounced"},
                               {"complained", "complained"},
                               {"blocked", "blocked"},
                               {"subscribed", "subscribed"}});
  section.text("stream", source.stream);
  check_stream_of(section, source, config);
  section.table("map", [&](Section& map) { read_map(map, source); });
  using Dates = SourceConfig::Dates;
  section.choice<Dates>(
      "dates", source.dates,
      {{"ask", Dates::ask}, {"dmy", Dates::day_first}, {"mdy", Dates::month_first}});
  section.duration("stale_after", source.stale_after, std::chrono::seconds{1}, longest_wait);
}

void read_timeouts(Section& section, TimeoutConfig& timeouts) {
  const std::chrono::milliseconds least{1};
  section.duration("command", timeouts.command, least);
  section.duration("data_block", timeouts.data_block, least);
  section.duration("connect", timeouts.connect, least);
  section.duration("greeting", timeouts.greeting, least);
  section.duration("mail", timeouts.mail, least);
  section.duration("rcpt", timeouts.rcpt, least);
  section.duration("data", timeouts.data, least);
  section.duration("data_end", timeouts.data_end, least);
  section.duration("pool", timeouts.pool, least);
  section.duration("drain", timeouts.drain, std::chrono::milliseconds{0});
  section.duration("handshake", timeouts.handshake, least);
  section.duration("auth_failure", timeouts.auth_failure, std::chrono::milliseconds{0});
}

void read_limits(Section& section, LimitConfig& limits) {
  section.number("connections", limits.connections, 1, 1'000'000);
  section.number("recipients", limits.recipients, 1, 100'000);
  section.number("errors", limits.errors, 1, 10'000);
  section.size("header", limits.header, 1U << 10U, 64U << 20U);
  section.number("hops", limits.hops, 1, 10'000);
  section.number("auth_failures", limits.auth_failures, 1, 100);
}

void read_log(Section& section, Config& config) {
  section.text("level", config.log_level);
  const auto level = log::parse_level(config.log_level);
  if (!level) section.problem(section.line("level"), "level", level.error().text);
}

void read_store(Section& section, Config& config) {
  read_folder(section, "path", config.store_path);
  section.size("map_size", config.store_map_size, 1U << 20U, 1ULL << 46U);
  std::string forgotten;
  section.text("forgotten", forgotten);
  if (forgotten.find('\0') != std::string::npos) {
    section.problem(section.line("forgotten"), "forgotten", "a file has to be named");
  }
  config.forgotten = forgotten;
}

void read_address(Section& section, std::optional<Endpoint>& address) {
  std::string written;
  if (!section.text("address", written) || written.empty()) return;
  auto parsed = parse_endpoint(written);
  if (!parsed) return section.problem(section.line("address"), "address", parsed.error().text);
  address = *std::move(parsed);
}

void read_web(Section& section, WebConfig& web) {
  read_address(section, web.address);
  config::read_file(section, "certificate", web.certificate);
  config::read_file(section, "key", web.key);
  if (web.certificate.empty() != web.key.empty()) {
    const auto* missing = web.key.empty() ? "key" : "certificate";
    section.problem(section.line(), missing,
                    "certificate and key are named together, or neither is");
  }
}

void read_admin(Section& section, AdminConfig& admin) {
  read_address(section, admin.address);
  if (admin.address && !is_loopback(*admin.address)) {
    section.problem(section.line("address"), "address",
                    "these pages know no password: they listen on the loopback interface alone, "
                    "as in \"127.0.0.1:8526\"");
  }
}

void read_unsubscribe(Section& section, UnsubscribeConfig& unsubscribe) {
  section.text("url", unsubscribe.url);
  if (!unsubscribe.url.empty()) {
    section.report(section.line("url"), "url", config::check_public_url(unsubscribe.url));
  }
  while (unsubscribe.url.ends_with('/')) unsubscribe.url.pop_back();
  section.text("brand", unsubscribe.brand);
  section.report(section.line("brand"), "brand", config::check_shown_text(unsubscribe.brand));
  config::read_file(section, "logo", unsubscribe.logo);
  if (!unsubscribe.logo.empty()) {
    section.report(section.line("logo"), "logo", config::check_image_name(unsubscribe.logo));
  }
  section.text("colour", unsubscribe.colour);
  section.report(section.line("colour"), "colour", config::check_colour(unsubscribe.colour));
}

// What depends on both sections.
void check_pages(Section& top, const Config& config) {
  if (!config.web.address || !config.unsubscribe.url.empty() || is_loopback(*config.web.address)) {
    return;
  }
  top.problem(top.line("web"), "web",
              "people have to reach the pages from outside: set url in [unsubscribe], as in "
              "\"https://unsub.example.com\"");
}

void read_campaign_header(Section& top, Config& config) {
  std::vector<std::string> names;
  const bool named =
      top.each_text("campaign_header", [&](std::string_view text, std::uint32_t line) {
        names.emplace_back(text);
        top.report(line, "campaign_header", config::check_field_name(text));
      });
  if (named) config.campaign_header = std::move(names);
}

ListenerConfig default_listener() {
  ListenerConfig listener;
  listener.trusted = loopback_networks();
  return listener;
}

void read_top(Section& top, Config& config) {
  top.text("hostname", config.hostname);
  if (!config.hostname.empty()) {
    top.report(top.line("hostname"), "hostname", config::check_domain(config.hostname));
  }
  top.number("threads", config.threads, 0, 1'024);
  top.text("user", config.user);
  top.report(top.line("user"), "user", config::check_user(config.user));
  top.table("store", [&](Section& section) { read_store(section, config); });
  top.table("return_path",
            [&](Section& section) { config::read_return_path(section, config.return_path); });
  Taken listener_names;
  Taken addresses;
  top.tables("listener", [&](Section& section) {
    auto& listener = config.listeners.emplace_back(default_listener());
    config::read_listener(section, listener, config.return_path, listener_names, addresses);
  });
  if (config.listeners.empty()) config.listeners.push_back(default_listener());
  top.table("upstream", [&](Section& section) {
    config::read_upstream(section, config.upstream, config.listeners);
  });
  top.tables("route", [&](Section& section) {
    config::read_route(section, config.routes.emplace_back(), config.listeners);
  });
  config::check_logins(top, config);
  Taken stream_names;
  Taken list_ids;
  top.tables("stream", [&](Section& section) {
    read_stream(section, config.streams.emplace_back(), config, stream_names, list_ids);
  });
  Taken source_names;
  Taken folders;
  top.tables("source", [&](Section& section) {
    read_source(section, config.sources.emplace_back(), config, source_names, folders);
  });
  Taken domains;
  top.tables("provider", [&](Section& section) {
    read_provider(section, config.providers.emplace_back(), domains);
  });
  read_campaign_header(top, config);
  top.table("timeouts", [&](Section& section) { read_timeouts(section, config.timeouts); });
  top.table("limits", [&](Section& section) { read_limits(section, config.limits); });
  top.table("log", [&](Section& section) { read_log(section, config); });
  top.table("unsubscribe",
            [&](Section& section) { read_unsubscribe(section, config.unsubscribe); });
  top.table("web", [&](Section& section) { read_web(section, config.web); });
  top.table("admin", [&](Section& section) { read_admin(section, config.admin); });
  check_pages(top, config);
  top.finish();
}

// By line; no more than a person reads.
Problems in_order(Problems problems) {
  std::ranges::sort(problems, {}, [](const ConfigProblem& problem) {
    return std::tie(problem.line, problem.key, problem.text);
  });
  if (problems.size() > max_problems) {
    const auto more = problems.size() - max_problems;
    problems.resize(max_problems);
    problems.push_back({problems.back().line, "", fmt::format("and {} more problems", more)});
  }
  return problems;
}

// That are meant from the file's folder.
std::vector<std::filesystem::path*> paths_of(Config& config) {
  std::vector<std::filesystem::path*> paths{&config.web.certificate, &config.web.key,
                                            &config.unsubscribe.logo, &config.return_path.rules,
                                            &config.upstream.ca};
  for (auto& route : config.routes) paths.push_back(&route.upstream.ca);
  for (auto& listener : config.listeners) {
    for (auto& files : listener.certificates) {
      paths.insert(paths.end(), {&files.certificate, &files.key});
    }
  }
  return paths;
}

std::string machine_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || !is_host_name(name.data())) {
    return "localhost";
  }
  return to_lower(name.data());
}

}  // namespace

Config Config::defaults() {
  Config config;
  config.hostname = machine_name();
  config.listeners.push_back(default_listener());
  config.web.address = Endpoint{"127.0.0.1", 8525};
  return config;
}

std::string public_url(const Config& config) {
  if (!config.unsubscribe.url.empty()) return config.unsubscribe.url;
  if (!config.web.address || !is_loopback(*config.web.address)) return {};
  return (config.web.certificate.empty() ? "http://" : "https://") + to_string(*config.web.address);
}

std::string to_string(const ConfigProblem& problem, std::string_view file) {
  std::string out(file);
  if (problem.line != 0) out += fmt::format(":{}", problem.line);
  if (!problem.key.empty()) out += fmt::format(": {}", problem.key);
  return out + ": " + problem.text;
}

std::expected<Config, Problems> parse_config(std::string_view text) {
  if (text.size() > max_file) {
    return std::unexpected(Problems{{0, "", fmt::format("larger than {} octets", max_file)}});
  }
  const auto parsed = toml::parse(text);
  if (!parsed) {
    const auto& error = parsed.error();
    return std::unexpected(
        Problems{{error.source().begin.line, "", printable(error.description())}});
  }
  Config config;
  Problems problems;
  Section top(parsed.table(), "", problems);
  read_top(top, config);
  if (!problems.empty()) return std::unexpected(in_order(std::move(problems)));
  return config;
}

std::expected<Config, Problems> load_config(const std::filesystem::path& file) {
  const auto unreadable = [](const std::string& why) {
    return std::unexpected(Problems{{0, "", "cannot be read: " + why}});
  };
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) return unreadable("it is a folder");
  std::ifstream in(file, std::ios::binary);
  if (!in) return unreadable(std::generic_category().message(errno));
  std::string text(max_file + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return unreadable(std::generic_category().message(errno));
  text.resize(static_cast<std::size_t>(in.gcount()));
  auto config = parse_config(text);
  if (!config) return config;
  if (config->hostname.empty()) config->hostname = machine_name();
  for (auto* path : paths_of(*config)) {
    const bool credential = path->string().starts_with("credential:");
    if (!path->empty() && !credential) *path = file.parent_path() / *path;
  }
  return config;
}

}  // namespace postern
