#include "base/config.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

using namespace postern;
using namespace std::chrono_literals;

namespace {

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The problems as `check-config` prints them; empty for a good file.
std::string problems_of(std::string_view text, std::string_view name) {
  const auto config = parse_config(text);
  std::string out;
  if (config) return out;
  for (const auto& problem : config.error()) out += to_string(problem, name) + "\n";
  return out;
}

}  // namespace

// tests/golden/config/NAME.toml has the problems of NAME.expected. To accept what the program says
// now, run POSTERN_ACCEPT=1 unit_base, and review the difference.
TEST_CASE("config: golden files") {
  const std::filesystem::path folder = POSTERN_TESTS_DIR "/golden/config";
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".toml") continue;
    ++seen;
    const auto name = entry.path().filename().string();
    CAPTURE(name);
    auto expected = entry.path();
    expected.replace_extension(".expected");
    const auto got = problems_of(read(entry.path()), name);
    if (std::getenv("POSTERN_ACCEPT") != nullptr) std::ofstream(expected, std::ios::binary) << got;
    CHECK(got == read(expected));
    CHECK(std::filesystem::exists(expected));
  }
  CHECK(seen >= 12);
}

TEST_CASE("config: an empty file is the defaults") {
  const auto config = parse_config("");
  REQUIRE(config);
  CHECK(config->hostname.empty());
  CHECK(config->store_path == "./postern-data");
  REQUIRE(config->listeners.size() == 1);
  CHECK(config->listeners[0].address == Endpoint{"127.0.0.1", 2525});
  CHECK(config->listeners[0].trusted == loopback_networks());
  CHECK(config->upstream == UpstreamConfig{});
  CHECK(config->sources.empty());
  CHECK(config->forgotten.empty());
  CHECK(config->timeouts == TimeoutConfig{});
  CHECK(config->limits == LimitConfig{});

  const auto defaults = Config::defaults();
  CHECK(config->web == WebConfig{});
  CHECK(config->return_path == ReturnPathConfig{});
  CHECK(config->return_path.domain.empty());
  CHECK(config->admin == AdminConfig{});
  CHECK(public_url(*config).empty());
  CHECK(public_url(defaults) == "http://127.0.0.1:8525");
  CHECK(is_host_name(defaults.hostname));
  CHECK(defaults.listeners == config->listeners);
  CHECK(defaults.upstream == config->upstream);
}

TEST_CASE("config: every key is read") {
  const auto config = parse_config(read(POSTERN_TESTS_DIR "/golden/config/full.toml"));
  REQUIRE(config);
  CHECK(config->hostname == "gate.example.com");
  CHECK(config->threads == 3);
  CHECK(config->store_path == "/var/lib/postern");
  CHECK(config->store_map_size == 64ULL << 30U);
  REQUIRE(config->listeners.size() == 3);
  CHECK(config->listeners[0].name == "submission");
  CHECK(config->listeners[0].address == Endpoint{"0.0.0.0", 587});
  CHECK(config->listeners[0].trusted == std::vector{*parse_network("127.0.0.0/8"),
                                                    *parse_network("::1"),
                                                    *parse_network("10.0.0.0/8")});
  CHECK(config->listeners[0].received_header);
  CHECK(config->listeners[1].address == Endpoint{"::1", 2525});
  CHECK(config->listeners[1].trusted.empty());
  CHECK_FALSE(config->listeners[1].received_header);
  CHECK(config->listeners[1].role == ListenerConfig::Role::relay);
  CHECK(config->listeners[2].role == ListenerConfig::Role::return_path);
  UpstreamConfig upstream;
  upstream.address = {"mail.example.com", 26};
  upstream.connections = 7;
  upstream.idle_close = 2s;
  upstream.authoritative = true;
  CHECK(config->upstream == upstream);
  REQUIRE(config->streams.size() == 2);
  const auto& stream = config->streams[0];
  CHECK(stream.name == "newsletter");
  CHECK(stream.title == "Our newsletter");
  CHECK(stream.description == "News once a month");
  CHECK(stream.offer);
  CHECK_FALSE(config->streams[1].offer);
  CHECK(config->web ==
        WebConfig{Endpoint{"127.0.0.1", 8525}, "tls/web.pem", "/etc/postern/web.key"});
  CHECK(config->admin == AdminConfig{Endpoint{"::1", 8526}});
  CHECK(config->unsubscribe == UnsubscribeConfig{"https://unsub.example.com/news",
                                                 "Example & S\u00f6hne", "logo.svg", "#7a1f3d"});
  CHECK(stream.formerly == std::vector<std::string>{"letters", "news"});
  CHECK(stream.kind == StreamConfig::Kind::marketing);
  CHECK(stream.sender == std::vector<std::string>{"*@news.example.com", "offers-*"});
  CHECK(stream.consent == StreamConfig::ConsentRule::opt_in);
  CHECK(stream.return_path == StreamConfig::ReturnPath::domain);
  CHECK(config->streams[1].return_path == StreamConfig::ReturnPath::off);
  CHECK(config->return_path == ReturnPathConfig{.domain = "bounce.example.com",
                                                .forward = false,
                                                .complaints = "abuse-reports",
                                                .keep = {"*@partner.example", "ceo@*"},
                                                .valid_for = 240h,
                                                .mailbox_evidence = true,
                                                .rules = "rules.toml",
                                                .soft_bounces = 4,
                                                .soft_days = 2,
                                                .soft_within = 336h});
  CHECK(config->streams[1].kind == StreamConfig::Kind::transactional);
  CHECK(config->streams[1].consent == StreamConfig::ConsentRule::opt_out);
  REQUIRE(config->providers.size() == 1);
  CHECK(config->providers[0] == ProviderConfig{{"example.net", "example.org"}, true});
  CHECK(config->forgotten == "/var/lib/postern.forgotten");
  REQUIRE(config->sources.size() == 2);
  const SourceConfig mailchimp{
      .name = "mailchimp",
      .folder = "/var/spool/mailchimp",
      .format = "mailchimp-unsubscribed",
      .status = "complained",
      .stream = "letters",
      .map = {{"address", "E-Mail"}, {"date", "Am"}, {"reason", "3"}},
      .dates = SourceConfig::Dates::day_first,
      .stale_after = 35 * 24h,
      .line = config->sources[0].line,
  };
  CHECK(config->sources[0] == mailchimp);
  SourceConfig shop;
  shop.name = "shop";
  shop.folder = "exports/shop/";
  shop.line = config->sources[1].line;
  CHECK(config->sources[1] == shop);
  CHECK(config->timeouts == TimeoutConfig{1s, 2s, 3s, 4s, 5s, 6s, 7s, 8s, 9s, 500ms});
  CHECK(config->limits == LimitConfig{11, 12, 13, 14'336, 15});
  CHECK(config->log_level == "debug");
}

TEST_CASE("config: a file that cannot be read is one problem of the whole file") {
  for (const auto& file : {std::filesystem::path("/nonexistent/postern.toml"),
                           std::filesystem::path(POSTERN_TESTS_DIR)}) {
    const auto config = load_config(file);
    REQUIRE_FALSE(config);
    REQUIRE(config.error().size() == 1);
    CHECK(config.error()[0].line == 0);
    CHECK(to_string(config.error()[0], "f").starts_with("f: cannot be read: "));
  }
}

TEST_CASE("config: a source has the line of its format, for whoever knows the formats") {
  const auto config = parse_config(
      "[[source]]\nname = \"a\"\nfolder = \"a\"\nformat = \"x\"\n"
      "[[source]]\nname = \"b\"\nfolder = \"b\"\n");
  REQUIRE(config);
  CHECK(config->sources[0].line.number == 4);
  CHECK(config->sources[1].line.number == 5);
}

TEST_CASE("config: TLS, AUTH and the neighbours") {
  const auto config = load_config(POSTERN_TESTS_DIR "/golden/config/tls.toml");
  REQUIRE(config);
  const std::filesystem::path folder = POSTERN_TESTS_DIR "/golden/config";
  CHECK(config->user == "postern");
  const auto& submission = config->listeners[0];
  CHECK(submission.tls == ListenerConfig::Tls::starttls);
  CHECK(submission.auth == ListenerConfig::Auth::passthrough);
  CHECK(submission.certificates ==
        std::vector<CertificateFiles>{{folder / "gate.pem", "credential:gate.key"},
                                      {folder / "other.pem", folder / "other.key"}});
  CHECK(submission.proxy_protocol == std::vector{*parse_network("10.0.0.5")});
  CHECK(submission.xforward == std::vector{*parse_network("127.0.0.1")});
  CHECK(submission.bare_lf == ListenerConfig::BareLf::normalize);
  CHECK(submission.limits == ListenerLimits{100, 10, 60, 50, 25U << 20U, 5});
  CHECK(config->listeners[1].tls == ListenerConfig::Tls::implicit);
  CHECK(config->listeners[1].certificates.empty());
  CHECK(config->listeners[2].role == ListenerConfig::Role::policy);
  CHECK(config->listeners[2].socket == "/run/postern/policy.sock");
  const auto& upstream = config->upstream;
  CHECK(upstream.fallback == std::vector<Endpoint>{{"smtp2.example.com", 465}});
  CHECK(upstream.tls == UpstreamConfig::Tls::verify);
  CHECK(upstream.tls_mode == UpstreamConfig::TlsMode::implicit);
  CHECK(upstream.ca == folder / "ca.pem");
  CHECK(upstream.tls_name == "mail.example.com");
  CHECK(upstream.xclient);
  REQUIRE(config->routes.size() == 1);
  CHECK(config->routes[0].login == std::vector<std::string>{"*@sales.example", "anna"});
  CHECK(config->routes[0].upstream.address == Endpoint{"smtp.sales.example", 587});
  CHECK(config->routes[0].upstream.tls == UpstreamConfig::Tls::opportunistic);
  CHECK(config->streams[0].login == std::vector<std::string>{"*@sales.example"});
}

TEST_CASE("config: a loaded file without a hostname has the machine's name") {
  const auto config = load_config(POSTERN_TESTS_DIR "/golden/config/tls_off.toml");
  REQUIRE(config);
  CHECK(is_host_name(config->hostname));
}

TEST_CASE("config: paths begin at the file's folder") {
  const std::filesystem::path folder = POSTERN_TESTS_DIR "/golden/config";
  const auto config = load_config(folder / "full.toml");
  REQUIRE(config);
  CHECK(config->web.certificate == folder / "tls/web.pem");
  CHECK(config->web.key == "/etc/postern/web.key");
  CHECK(config->unsubscribe.logo == folder / "logo.svg");
  CHECK(config->return_path.rules == folder / "rules.toml");
}

TEST_CASE("config: hostile files are bounded") {
  const auto only = [](const std::string& text) {
    const auto config = parse_config(text);
    REQUIRE_FALSE(config);
    return config.error();
  };
  CHECK(only(std::string((1U << 20U) + 1, '#')).size() == 1);
  CHECK(only("a = " + std::string(100'000, '[')).size() == 1);

  std::string many;
  for (int i = 0; i < 5'000; ++i) many += "unknown-key-" + std::to_string(i) + " = 1\n";
  const auto problems = only(many);
  CHECK(problems.size() == 101);
  CHECK(problems.back().text == "and 4900 more problems");
  CHECK(std::ranges::is_sorted(problems, {}, &ConfigProblem::line));

  // Nothing of the file gets onto a terminal as it is.
  CHECK(problems_of("\"\\u001b[31m\" = 1", "f") == "f:1: \\x1b[31m: unknown key\n");
}

TEST_CASE("config: a listener without a name has its role's") {
  const auto config = parse_config(
      "[[listener]]\naddress = \"127.0.0.1:2525\"\n"
      "[[listener]]\naddress = \"127.0.0.1:2526\"\nrole = \"policy\"\n");
  REQUIRE(config);
  CHECK(config->listeners.at(0).name == "relay");
  CHECK(config->listeners.at(1).name == "policy");
}
