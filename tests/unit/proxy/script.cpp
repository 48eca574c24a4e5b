#include "script.h"

#include "base/text.h"
#include "memory_stream.h"
#include "proxy/session.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postern::test {

namespace {

namespace asio = boost::asio;
using asio::awaitable;

std::string unescape(std::string_view text, const std::string& where) {
  if (text.size() < 2 || text.front() != '\'' || text.back() != '\'')
    throw std::runtime_error(where + ": quotes missing");
  std::string octets;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] != '\\') {
      octets += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'r':
        octets += '\r';
        break;
      case 'n':
        octets += '\n';
        break;
      case '0':
        octets += '\0';
        break;
      case 't':
        octets += '\t';
        break;
      case '\\':
        octets += '\\';
        break;
      case '\'':
        octets += '\'';
        break;
      default:
        throw std::runtime_error(where + ": unknown escape");
    }
  }
  return octets;
}

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

class ScriptedContacts final : public policy::ContactReader {
 public:
  explicit ScriptedContacts(const Script& script) {
    for (const auto& setting : script.settings) {
      if (setting == "store-fails") fails_ = true;
      const auto blank = setting.find(' ');
      if (blank == std::string::npos) continue;
      if (const auto kind = policy::parse_hold_kind(setting.substr(0, blank))) {
        holds_.emplace_back(*policy::parse_contact(setting.substr(blank + 1), true), *kind);
      }
    }
  }
  Result<void> find(const policy::CanonicalAddress& address, policy::Findings& findings) override {
    if (fails_) return fail(Errc::io, "the store is away");
    findings.clear();
    for (const auto& [held, kind] : holds_) {
      if (held != address) continue;
      auto& found = findings.add(policy::Findings::Found::Form::mailbox);
      const bool unsubscribed = kind == policy::HoldKind::unsubscribed;
      found.contact.holds = {{.id = {},
                              .kind = kind,
                              .scope = {.kind = unsubscribed ? policy::Scope::Kind::marketing
                                                             : policy::Scope::Kind::all,
                                        .stream = {}},
                              .date = *parse_time("2026-03-01"),
                              .until = {},
                              .event = {}}};
      found.contact.lifts.clear();
      found.contact.consents.clear();
    }
    return {};
  }
  // Asked for once a refusal, which quotes it.
  Result<std::string> note(const policy::EventId& /*event*/) override {
    ++refusals_;
    return std::string();
  }
  // A reference of ours: the beginning of the address.
  Result<policy::ContactRef> ref(const policy::CanonicalAddress& address) override {
    policy::ContactRef ref{};
    std::copy_n(address.text.begin(), std::min(address.text.size(), ref.size()), ref.begin());
    return ref;
  }
  [[nodiscard]] std::size_t refusals() const { return refusals_; }

 private:
  bool fails_ = false;
  std::size_t refusals_ = 0;
  std::vector<std::pair<policy::CanonicalAddress, policy::HoldKind>> holds_;
};

class KeptRefusals final : public policy::Returns {
 public:
  void take(policy::ReturnMail /*mail*/, Done done) override { done(policy::ReturnVerdict{}); }
  void refused(policy::SessionRefusal refusal) override {
    lines.push_back(fmt::format("{} {} {}: {}", refusal.stream, refusal.sender,
                                refusal.recipient.text, refusal.reply));
  }
  std::vector<std::string> lines;
};

constexpr std::uint32_t today = 20'514;  // 2026-03-02

policy::LinkKeys link_keys() {
  policy::LinkKey key{.id = 1};
  key.secret.fill(7);
  key.secret.back() = 8;
  return *policy::LinkKeys::create({key});
}

// On record when it is asked; it is told of later.
class ScriptedReturns final : public policy::ReturnContexts {
 public:
  explicit ScriptedReturns(const Script& script)
      : fails_(script.has("contexts-fail")), keyless_(script.has("no-keys")) {
    tokens_ = std::make_shared<const policy::ReturnTokens>(link_keys());
  }
  std::shared_ptr<const policy::ReturnTokens> tokens() override {
    return keyless_ ? nullptr : tokens_;
  }
  bool on_record(const Entry& entry) override { return kept_.contains(entry.hash); }
  void keep(std::vector<Entry> entries, std::function<void(Result<void>)> done) override {
    if (fails_) return done(fail(Errc::full, "the disk is full"));
    for (const auto& entry : entries) kept_.insert(entry.hash);
    done({});
  }
  // The line with its tokens; nothing where one of them is not on record.
  [[nodiscard]] std::optional<std::string> expand(std::string line) {
    for (const std::string_view kind : {"{bounce ", "{unsubscribe "}) {
      const auto begin = line.find(kind);
      const auto end = line.find('}', begin);
      if (begin == line.npos || end == line.npos) continue;
      const auto token = token_of(line.substr(begin + 1, end - begin - 1));
      if (!token) return std::nullopt;
      line.replace(begin, end - begin + 1, *token);
    }
    return line;
  }

 private:
  std::optional<std::string> token_of(const std::string& text) {
    std::istringstream words(text);
    std::string kind;
    policy::ReturnContext context;
    std::string recipient;
    words >> kind >> context.stream;
    if (kind == "bounce") words >> context.sender;
    words >> recipient;
    const auto hash = tokens_->hash(context);
    if (!kept_.contains(hash)) return std::nullopt;
    policy::ReturnToken token{
        .kind = kind == "bounce" ? policy::ReturnKind::bounce : policy::ReturnKind::unsubscribe,
        .context = hash,
        .day = today};
    const auto contact = policy::parse_contact(recipient, false).value();
    std::copy_n(contact.text.begin(), std::min(contact.text.size(), token.contact.size()),
                token.contact.begin());
    return tokens_->make(token);
  }
  bool fails_;
  bool keyless_;
  std::shared_ptr<const policy::ReturnTokens> tokens_;
  std::set<std::uint64_t> kept_;
};

class KeptTraffic final : public policy::TrafficLog {
 public:
  void record(policy::Passages passages) override {
    const auto shown = [](const std::string& text) { return text.empty() ? "-" : text; };
    std::vector<std::string> recipients;
    bool delivered = false;
    for (const auto& [recipient, reason] : passages.recipients) {
      recipients.push_back(fmt::format("{} {}", recipient.text, policy::to_string(reason)));
      const bool let_through = reason == policy::Reason::none;
      delivered |= let_through;
      if (!let_through) ++refusals;
    }
    if (delivered) ++deliveries;
    std::ranges::sort(recipients);
    lines.push_back(fmt::format("{} {} {}: {}", passages.stream, shown(passages.campaign),
                                shown(passages.sender), fmt::join(recipients, ", ")));
  }
  std::vector<std::string> lines;
  std::size_t refusals = 0;
  std::size_t deliveries = 0;
};

std::string argument(const Script& script, std::string_view name, std::string otherwise) {
  for (const auto& setting : script.settings) {
    if (setting.starts_with(std::string(name) + " ")) return setting.substr(name.size() + 1);
  }
  return otherwise;
}

std::string ehlo_lines(const Script& script) {
  std::string lines = "250-upstream.example\r\n";
  const std::string offered = argument(script, "upstream", "PIPELINING 8BITMIME SMTPUTF8 DSN SIZE");
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
  const auto line = argument(script, "upstream-stray", "");
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
    end->put(argument(script, "upstream-greets", "220 upstream.example ESMTP") + "\r\n");
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
    const auto written = argument(script, setting, "");
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

std::shared_ptr<const proxy::SessionSettings> session_settings(const Script& script) {
  auto settings = std::make_shared<proxy::SessionSettings>();
  settings->hostname = "gate.example";
  settings->received_header = script.has("received-header");
  settings->limits.recipients =
      static_cast<std::uint32_t>(std::stoul(argument(script, "recipients", "1000")));
  settings->limits.errors =
      static_cast<std::uint32_t>(std::stoul(argument(script, "errors", "20")));
  settings->limits.header = std::stoul(argument(script, "header-limit", "1048576"));
  if (!script.has("untrusted")) settings->trusted = {*parse_network("127.0.0.0/8")};
  settings->streams = std::make_shared<const policy::Streams>(streams_of(script));
  if (const auto domain = argument(script, "return-domain", ""); !domain.empty()) {
    ReturnPathConfig config;
    config.domain = domain;
    if (const auto keep = argument(script, "keep", ""); !keep.empty()) config.keep = {keep};
    settings->returns = std::make_shared<const proxy::ReturnRules>(config);
  }
  if (script.has("links")) settings->links_url = "https://unsub.example";
  if (script.has("split")) settings->split_connections = 1;
  settings->auth = script.has("auth");
  settings->timeouts.auth_failure = {};
  if (script.has("no-patience")) settings->timeouts.command = {};
  if (script.has("xforward")) settings->xforward = loopback_networks();
  settings->listener_limits.size = std::stoul(argument(script, "size", "0"));
  settings->listener_limits.messages_per_minute =
      static_cast<std::uint32_t>(std::stoul(argument(script, "per-minute", "0")));
  settings->normalize_lines = script.has("normalize");
  settings->campaign_header = {"X-Campaign-ID", "Feedback-ID"};
  return settings;
}

Time fixed_clock() { return *parse_time("2026-03-02T12:00:00Z"); }

}  // namespace

bool Script::has(std::string_view setting) const {
  return std::ranges::count(settings, setting) > 0;
}

Script read_script(const std::filesystem::path& file) {
  Script script{.name = file.stem().string(),
                .settings = {},
                .client = {},
                .upstream = {},
                .told = {},
                .refused = {}};
  std::ifstream in(file);
  if (!in) throw std::runtime_error(file.string() + ": cannot be read");
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const auto where = fmt::format("{}:{}", file.string(), number);
    const auto blank = line.find(' ');
    const std::string mark = line.substr(0, blank);
    const std::string text = blank == std::string::npos ? "" : line.substr(blank + 1);
    using Kind = Step::Kind;
    if (line.empty() || mark == "#") continue;
    if (mark == "@") {
      script.settings.push_back(text);
    } else if (mark == "->" || mark == "~>") {
      const auto octets = mark == "->" ? text + "\r\n" : unescape(text, where);
      if (!script.client.empty() && script.client.back().kind == Kind::send) {
        script.client.back().octets += octets;
      } else {
        script.client.push_back({Kind::send, octets});
      }
    } else if (mark == "<-") {
      script.client.push_back({Kind::expect, text});
    } else if (mark == "-|") {
      script.client.push_back({Kind::hang_up, ""});
    } else if (mark == "<-|") {
      script.client.push_back({Kind::expect_closed, ""});
    } else if (mark == "=>") {
      script.upstream.push_back({Kind::expect, text});
    } else if (mark == "<=" || mark == "<~") {
      script.upstream.push_back({Kind::send, mark == "<=" ? text + "\r\n" : unescape(text, where)});
    } else if (mark == "=|") {
      script.upstream.push_back({text == "close" ? Kind::hang_up : Kind::new_connection, ""});
    } else if (mark == "++") {
      script.told.push_back(text);
    } else if (mark == "!!") {
      script.refused.push_back(text);
    } else if (mark == "=|>") {
      script.upstream.push_back({Kind::expect_closed, ""});
    } else {
      throw std::runtime_error(where + ": not a step: " + line);
    }
  }
  return script;
}

std::vector<std::filesystem::path> all_scripts() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(POSTERN_TESTS_DIR) / "dialogs")) {
    if (entry.path().extension() == ".smtp") found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

Outcome play(const Script& script, const Variation& variation) {
  Play scene{
      .script = script, .variation = variation, .context = {}, .outcome = {}, .connections = {}};
  for (const auto& step : script.client) {
    if (step.kind == Step::Kind::send) scene.outcome.client_octets += step.octets.size();
  }
  const auto executor = scene.context.get_executor();
  const auto rethrow = [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  };
  const auto pair = [&] {
    return std::pair(std::make_shared<Pipe>(executor), std::make_shared<Pipe>(executor));
  };
  ScriptedContacts contacts(script);
  KeptTraffic traffic;
  KeptRefusals refusals;
  policy::Findings findings;
  auto connect = [&]() -> awaitable<Result<std::unique_ptr<proxy::Upstream>>> {
    if (script.has("upstream-unreachable")) co_return fail(Errc::io, "unreachable");
    auto [to_upstream, from_upstream] = pair();
    scene.connections.push_back(std::make_shared<End>(to_upstream, from_upstream));
    asio::co_spawn(scene.context, scene.upstream(scene.connections.back()), rethrow);
    auto upstream = std::make_unique<proxy::Upstream>(
        std::make_unique<MemoryStream>(from_upstream, to_upstream, variation.write_limit),
        TimeoutConfig{});
    if (auto opened = co_await upstream->open({.hostname = "gate.example"}); !opened) {
      co_return std::unexpected(std::move(opened).error());
    }
    co_return upstream;
  };
  {
    proxy::Routes routes;
    const proxy::Pool::Settings pool_settings{.connections = 4,
                                              .idle_close = {},
                                              .xclient = script.has("xclient"),
                                              .local = !script.has("upstream-elsewhere")};
    if (const auto login = argument(script, "route-login", ""); !login.empty()) {
      routes.add({.sender = {}, .login = {login}}, executor, pool_settings, connect);
    }
    routes.add({}, executor, pool_settings, connect);
    if (!script.has("upstream-unknown")) {
      // As the gate does at its start; a refused greeting leaves it unknown.
      asio::co_spawn(
          scene.context,
          [](proxy::Pool& learning) -> awaitable<void> {
            auto lease = co_await learning.acquire(nullptr);
            if (lease) lease->give_back();
          }(routes.last()),
          rethrow);
      scene.context.poll();
      scene.context.restart();
    }
    const proxy::LinkKeySource keys = [] {
      return std::make_shared<const policy::LinkKeys>(link_keys());
    };
    std::array<char, 4096> buffer{};
    auto [to_gate, from_gate] = pair();
    proxy::Session session(
        "test", std::make_unique<MemoryStream>(to_gate, from_gate, variation.write_limit),
        *parse_ip(argument(script, "peer", "127.0.0.1")),
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
        session_settings(script));
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
  scene.outcome.refusals = contacts.refusals();
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
