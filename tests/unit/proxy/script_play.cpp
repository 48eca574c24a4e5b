// Plays a script: a session in memory between its client and its upstream.
#include "base/metrics.h"
#include "base/text.h"
#include "memory_stream.h"
#include "proxy/session.h"
#include "script.h"
#include "scripted_parts.h"

#include <algorithm>
#include <array>
#include <exception>
#include <sstream>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postern::test {

namespace {

namespace asio = boost::asio;
using asio::awaitable;

bool line_fits(std::string_view want, std::string_view got) {
  if (!want.ends_with("...")) return want == got;
  return got.starts_with(want.substr(0, want.size() - 3));
}

// One end of a pipe pair, as an actor of the script sees it.
class End {
 public:
  End(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : in_(std::move(in)), out_(std::move(out)) {}

  awaitable<std::optional<std::string>> line() {
    for (;;) {
      if (const auto end = buffer_.find("\r\n"); end != std::string::npos) {
        std::string found = buffer_.substr(0, end);
        buffer_.erase(0, end + 2);
        co_return found;
      }
      if (!co_await more()) co_return std::nullopt;
    }
  }
  // Octets up to the end of data, or nullopt when it was cut short.
  awaitable<std::optional<std::string>> data() {
    std::string lines;
    for (;;) {
      auto next = co_await line();
      if (!next) co_return std::nullopt;
      if (*next == ".") co_return lines;
      lines += *next + "\n";
    }
  }
  awaitable<bool> more() {
    while (in_->chunks.empty()) {
      if (in_->closed) co_return false;
      co_await in_->changed.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    buffer_ += in_->chunks.front();
    in_->chunks.pop_front();
    co_return true;
  }
  void put(std::string octets) { out_->put(std::move(octets)); }
  void close() {
    in_->close();
    out_->close();
  }
  [[nodiscard]] const std::string& rest() const { return buffer_; }

 private:
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  std::string buffer_;
};

std::string ehlo_lines(const Script& script) {
  std::string lines = "250-upstream.example\r\n";
  const std::string offered = script.argument("upstream", "PIPELINING 8BITMIME SMTPUTF8 DSN SIZE");
  std::string_view rest = offered;
  while (!rest.empty()) {
    // "SIZE 1000" is one keyword with its argument.
    auto end = rest.find(' ');
    if (rest.substr(0, end) == "SIZE" && end + 1 < rest.size() && rest[end + 1] >= '0' &&
        rest[end + 1] <= '9') {
      end = rest.find(' ', end + 1);
    }
    lines += fmt::format("250-{}\r\n", rest.substr(0, end));
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
  }
  for (const auto& setting : script.settings) {
    constexpr std::string_view name = "upstream-also ";
    if (setting.starts_with(name)) lines += fmt::format("250-{}\r\n", setting.substr(name.size()));
  }
  return lines + "250 HELP\r\n";
}

std::string stray(const Script& script) {
  const auto line = script.argument("upstream-stray", "");
  return line.empty() ? line : line + "\r\n";
}

struct Play {
  const Script& script;
  const Variation& variation;
  ScriptedReturns returns{script};
  proxy::ClientTable clients{};
  asio::io_context context;
  Outcome outcome;
  std::size_t upstream_step = 0;
  std::vector<std::shared_ptr<End>> connections;

  void mismatch(std::string_view who, std::string_view want, std::string_view got) {
    if (outcome.mismatch.empty())
      outcome.mismatch = fmt::format("{}: want '{}', got '{}'", who, want, printable(got));
  }

  // The script itself has to say something about that command.
  [[nodiscard]] bool expects_word(std::string_view command) const {
    return upstream_step < script.upstream.size() &&
           script.upstream[upstream_step].kind == Step::Kind::expect &&
           script.upstream[upstream_step].octets == command;
  }

  awaitable<void> client(std::shared_ptr<End> end) {
    std::size_t sent = 0;
    for (const auto& step : script.client) {
      if (step.kind == Step::Kind::send) {
        std::string octets = step.octets.substr(0, variation.cut_after - sent);
        sent += octets.size();
        const bool cut = octets.size() < step.octets.size();
        for (; !octets.empty(); octets.erase(0, variation.chunk))
          end->put(octets.substr(0, variation.chunk));
        if (cut) break;
      } else if (step.kind == Step::Kind::hang_up) {
        break;
      } else {
        const auto got = co_await end->line();
        const bool closed = step.kind == Step::Kind::expect_closed;
        if (closed ? got.has_value() : !got || !line_fits(step.octets, *got)) {
          mismatch("client", closed ? "(closed)" : step.octets, got.value_or("(closed)"));
          break;
        }
      }
    }
    end->close();
  }

  // Plays the upstream's steps over as many connections as the gate makes; one ends where the
  // script says so.
  awaitable<void> upstream(std::shared_ptr<End> end) {
    end->put(script.argument("upstream-greets", "220 upstream.example ESMTP") + "\r\n");
    bool data = false;
    while (true) {
      if (upstream_step < script.upstream.size()) {
        const auto& step = script.upstream[upstream_step];
        if (step.kind == Step::Kind::send) {
          ++upstream_step;
          data = step.octets.starts_with("354");
          if (std::exchange(ended_message, false) && step.octets.starts_with("250"))
            ++outcome.positive_ends;
          end->put(step.octets);
          continue;
        }
        if (step.kind == Step::Kind::hang_up || step.kind == Step::Kind::new_connection) {
          ++upstream_step;
          if (step.kind == Step::Kind::hang_up) break;
        }
      }
      const auto got = co_await end->line();
      if (!got) {
        if (upstream_step < script.upstream.size() &&
            script.upstream[upstream_step].kind == Step::Kind::expect_closed) {
          ++upstream_step;
        }
        break;
      }
      if (data && *got == ".") {
        data = false;
        ended_message = true;
        ++outcome.messages_upstream;
      } else if (!data && (got->starts_with("EHLO ") || *got == "RSET" || *got == "QUIT") &&
                 !expects_word(*got)) {
        end->put(got->starts_with("EHLO ") ? ehlo_lines(script) + stray(script) : "250 ok\r\n");
        continue;
      }
      // Data that is cut short: how much of it came before depends on how it was cut.
      const bool doomed = data && upstream_step < script.upstream.size() &&
                          script.upstream[upstream_step].kind == Step::Kind::expect_closed;
      if (doomed) continue;
      const bool expects = upstream_step < script.upstream.size() &&
                           script.upstream[upstream_step].kind == Step::Kind::expect;
      const auto want = expects ? returns.expand(script.upstream[upstream_step].octets)
                                : std::optional<std::string>("(nothing)");
      if (!expects || !want || !line_fits(*want, *got)) {
        mismatch("upstream", want.value_or("a return address that is on record"), *got);
        break;
      }
      ++upstream_step;
    }
    end->close();
  }
  bool ended_message = false;
};

std::vector<policy::Stream> streams_of(const Script& script) {
  std::vector<policy::Stream> streams;
  using ReturnPath = policy::Stream::ReturnPath;
  const auto add = [&](std::string_view setting, std::string_view name, std::string_view list_id) {
    const auto written = script.argument(setting, "");
    if (written.empty()) return;
    auto& stream = streams.emplace_back();
    stream.name = name;
    stream.list_id = list_id;
    stream.return_path = written == "off" ? ReturnPath::off : ReturnPath::domain;
  };
  add("return-path", "default", "");
  add("list-stream", "list", "news.example");
  return streams;
}

// Of recipients, by what the gate counted of itself.
std::size_t refusals_counted(const metrics::Registry& registry) {
  std::size_t count = 0;
  std::istringstream lines(registry.text());
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("postern_recipients_total{") || !line.contains("result=\"refused\""))
      continue;
    count += std::stoul(line.substr(line.rfind(' ')));
  }
  return count;
}

std::shared_ptr<const proxy::SessionSettings> session_settings(const Script& script,
                                                               metrics::Registry& registry) {
  auto settings = std::make_shared<proxy::SessionSettings>();
  settings->hostname = "gate.example";
  settings->received_header = script.has("received-header");
  settings->limits.recipients =
      static_cast<std::uint32_t>(std::stoul(script.argument("recipients", "1000")));
  settings->limits.errors = static_cast<std::uint32_t>(std::stoul(script.argument("errors", "20")));
  settings->limits.header = std::stoul(script.argument("header-limit", "1048576"));
  if (!script.has("untrusted")) settings->trusted = {*parse_network("127.0.0.0/8")};
  settings->streams = std::make_shared<const policy::Streams>(streams_of(script));
  settings->counts = std::make_shared<const proxy::Counts>(registry, *settings->streams);
  if (const auto domain = script.argument("return-domain", ""); !domain.empty()) {
    ReturnPathConfig config;
    config.domain = domain;
    if (const auto keep = script.argument("keep", ""); !keep.empty()) config.keep = {keep};
    settings->returns = std::make_shared<const proxy::ReturnRules>(config);
  }
  if (script.has("links")) settings->links_url = "https://unsub.example";
  if (script.has("split")) settings->split_connections = 1;
  settings->auth = script.has("auth");
  settings->timeouts.auth_failure = {};
  if (script.has("no-patience")) settings->timeouts.command = {};
  if (script.has("xforward")) settings->xforward = loopback_networks();
  settings->listener_limits.size = std::stoul(script.argument("size", "0"));
  settings->listener_limits.messages_per_minute =
      static_cast<std::uint32_t>(std::stoul(script.argument("per-minute", "0")));
  settings->normalize_lines = script.has("normalize");
  settings->campaign_header = {"X-Campaign-ID", "Feedback-ID"};
  return settings;
}

}  // namespace

Outcome play(const Script& script, const Variation& variation) {
  Play scene{
      .script = script, .variation = variation, .context = {}, .outcome = {}, .connections = {}};
  for (const auto& step : script.client) {
    if (step.kind == Step::Kind::send) scene.outcome.client_octets += step.octets.size();
  }
  const auto executor = scene.context.get_executor();
  const auto pair = [&] {
    return std::pair(std::make_shared<Pipe>(executor), std::make_shared<Pipe>(executor));
  };
  metrics::Registry registry;
  ScriptedContacts contacts(script);
  KeptTraffic traffic(contacts);
  KeptRefusals refusals;
  policy::Findings findings;
  auto connect = [&]() -> awaitable<Result<std::unique_ptr<proxy::Upstream>>> {
    if (script.has("upstream-unreachable")) co_return fail(Errc::io, "unreachable");
    auto [to_upstream, from_upstream] = pair();
    scene.connections.push_back(std::make_shared<End>(to_upstream, from_upstream));
    asio::co_spawn(scene.context, scene.upstream(scene.connections.back()), rethrow);
    co_return co_await open_upstream(
        std::make_unique<MemoryStream>(from_upstream, to_upstream, variation.write_limit));
  };
  {
    proxy::Routes routes;
    const proxy::Pool::Settings pool_settings{.connections = 4,
                                              .idle_close = {},
                                              .xclient = script.has("xclient"),
                                              .local = !script.has("upstream-elsewhere")};
    if (const auto login = script.argument("route-login", ""); !login.empty()) {
      routes.add({.sender = {}, .login = {login}}, executor, pool_settings, connect);
    }
    routes.add({}, executor, pool_settings, connect);
    if (!script.has("upstream-unknown")) learn(scene.context, routes.last());
    const proxy::LinkKeySource keys = [] {
      return std::make_shared<const policy::LinkKeys>(link_keys());
    };
    std::array<char, 4096> buffer{};
    auto [to_gate, from_gate] = pair();
    proxy::Session session(
        "test", std::make_unique<MemoryStream>(to_gate, from_gate, variation.write_limit),
        *parse_ip(script.argument("peer", "127.0.0.1")),
        {.buffer = buffer,
         .routes = routes,
         .contacts = contacts,
         .findings = findings,
         .clock = &fixed_clock,
         .traffic = &traffic,
         .link_keys = &keys,
         .returns = &refusals,
         .contexts = &scene.returns,
         .clients = &scene.clients},
        session_settings(script, registry));
    asio::co_spawn(scene.context, session.run(), [&](std::exception_ptr failure) {
      rethrow(failure);
      scene.outcome.session_ended = true;
    });
    asio::co_spawn(scene.context, scene.client(std::make_shared<End>(from_gate, to_gate)), rethrow);
    scene.context.poll();
    if (!scene.outcome.session_ended && scene.outcome.mismatch.empty()) {
      scene.outcome.mismatch = "everybody waits for somebody";
    }
    // Whatever still waits ends here, before what it uses.
    to_gate->close();
    for (const auto& connection : scene.connections) connection->close();
    for (auto& route : routes.all()) route.pool.shut();
    scene.context.restart();
    scene.context.poll();
  }
  if (scene.outcome.mismatch.empty() && variation.cut_after == std::string::npos &&
      scene.upstream_step < script.upstream.size()) {
    scene.mismatch("upstream", script.upstream[scene.upstream_step].octets, "(nothing)");
  }
  const bool cares = !script.told.empty() || script.has("nothing-told");
  if (cares && variation.cut_after == std::string::npos && traffic.lines != script.told) {
    scene.mismatch("traffic log", fmt::format("{}", fmt::join(script.told, "; ")),
                   fmt::format("{}", fmt::join(traffic.lines, "; ")));
  }
  scene.outcome.refusals = refusals_counted(registry);
  if (!script.refused.empty() && variation.cut_after == std::string::npos &&
      refusals.lines != script.refused) {
    scene.mismatch("refusals", fmt::format("{}", fmt::join(script.refused, "; ")),
                   fmt::format("{}", fmt::join(refusals.lines, "; ")));
  }
  scene.outcome.refusals_told = traffic.refusals;
  scene.outcome.deliveries_told = traffic.deliveries;
  return scene.outcome;
}

}  // namespace postern::test
