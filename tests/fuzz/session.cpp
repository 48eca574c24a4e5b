// A session as a whole: what a client sends, what the upstream answers and where it is cut come
// from the input. The oracle reads both sides as RFC 5321 does: 250 means one whole copy upstream,
// no 250 means none (or one of which the upstream did not say plainly that it took it), what
// reaches the upstream is never two envelopes in one and holds no bare CR, LF or NUL, and the
// session ends when both sides have gone.
//
// The input: an octet of flags, one for what a write takes, one for how the client's octets are
// cut; then what the client sends (octets from 0x80 stand for common lines, 0x1e waits until
// nothing moves any more, 0x1f cuts); behind 0xff what the upstream does, an octet for each of its
// replies.
#include "proxy/session.h"

#include "base/log.h"
#include "base/time.h"
#include "memory_stream.h"
#include "session_oracle.h"

#include <array>
#include <exception>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

namespace asio = boost::asio;
using asio::awaitable;
using namespace postern;
using fuzz::Delivery;
using fuzz::require;
using test::MemoryStream;
using test::Pipe;

namespace {

constexpr std::uint8_t without_pipelining = 1;
constexpr std::uint8_t with_links = 2;
constexpr std::uint8_t upstream_unknown = 4;
constexpr char wait_here = 0x1e;
constexpr char cut_here = 0x1f;

void rethrow(const std::exception_ptr& failure) {
  if (failure) std::rethrow_exception(failure);
}

// Whose local part begins with "gone" has unsubscribed.
class Contacts final : public policy::ContactReader {
 public:
  Result<void> find(const policy::CanonicalAddress& address, policy::Findings& findings) override {
    findings.clear();
    if (!address.text.starts_with("gone")) return {};
    auto& found = findings.add(policy::Findings::Found::Form::mailbox);
    found.contact.holds = {{.id = {},
                            .kind = policy::HoldKind::unsubscribed,
                            .scope = {.kind = policy::Scope::Kind::all, .stream = {}},
                            .date = *parse_time("2026-03-01"),
                            .until = {},
                            .event = {}}};
    found.contact.lifts.clear();
    found.contact.consents.clear();
    return {};
  }
  Result<std::string> note(const policy::EventId& /*event*/) override { return std::string(); }
  Result<policy::ContactRef> ref(const policy::CanonicalAddress& /*address*/) override {
    return policy::ContactRef{};
  }
};

// The upstream: reads as an MTA does, and answers as its script has it.
class Upstream {
 public:
  Upstream(std::string_view script, bool pipelining) : script_(script), pipelining_(pipelining) {}

  awaitable<void> serve(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out) {
    Connection connection{.in = std::move(in), .out = std::move(out)};
    pipes_.push_back(connection.in);
    pipes_.push_back(connection.out);
    answer(connection, "220 upstream.example\r\n");
    while (!connection.closed) {
      if (connection.in->chunks.empty()) {
        if (connection.in->closed) break;
        if (connection.in_data && !connection.octets.empty()) speak_early(connection);
        co_await connection.in->changed.async_wait(asio::as_tuple(asio::use_awaitable));
        continue;
      }
      connection.octets += connection.in->chunks.front();
      connection.in->chunks.pop_front();
      take(connection);
    }
    connection.in->close();
    connection.out->close();
  }
  // For good: it cannot be reached any more.
  void close() {
    gone_ = true;
    for (const auto& pipe : pipes_) pipe->close();
  }
  [[nodiscard]] bool gone() const { return gone_; }
  [[nodiscard]] const std::vector<Delivery>& deliveries() const { return deliveries_; }

 private:
  struct Connection {
    std::shared_ptr<Pipe> in;
    std::shared_ptr<Pipe> out;
    std::string octets{};
    std::string held{};
    Delivery delivery{};
    bool in_data = false;
    bool in_mail = false;
    bool odd = false;  // it said something that an MTA would not
    bool closed = false;
    bool silent = false;
  };
  enum class Said : std::uint8_t { plainly, refused, unclear };

  std::uint8_t next() {
    if (script_.empty()) return 0;
    const auto octet = static_cast<std::uint8_t>(script_.front());
    script_.remove_prefix(1);
    return octet;
  }

  void take(Connection& connection) {
    for (;;) {
      if (connection.in_data) {
        const auto end = fuzz::data_end(connection.octets);
        if (end == std::string::npos) return;
        connection.delivery.data = connection.octets.substr(0, end - 3);
        connection.octets.erase(0, end);
        connection.in_data = connection.in_mail = false;
        require(!fuzz::has_bare(connection.delivery.data));
        // The lone dot that ends a DATA for nobody.
        const bool something =
            !connection.delivery.data.empty() || !connection.delivery.recipients.empty();
        connection.delivery.unclear = connection.odd;
        const auto said = answer(connection, "250 2.0.0 taken\r\n");
        connection.delivery.said = said == Said::plainly;
        connection.delivery.unclear |= said == Said::unclear || !connection.held.empty();
        if (something) deliveries_.push_back(connection.delivery);
        continue;
      }
      const auto end = connection.octets.find('\n');
      if (end == std::string::npos || connection.closed) return;
      const std::string line = connection.octets.substr(0, end + 1);
      connection.octets.erase(0, end + 1);
      require(line.ends_with("\r\n") && !fuzz::has_bare(line));
      command(connection, line);
    }
  }

  void command(Connection& connection, const std::string& line) {
    if (line.starts_with("EHLO ")) {
      connection.in_mail = false;
      answer(connection, pipelining_ ? "250-upstream.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
                                     : "250-upstream.example\r\n250 8BITMIME\r\n");
    } else if (line.starts_with("MAIL FROM:<")) {
      require(!connection.in_mail || connection.odd);  // two envelopes in one
      connection.in_mail = answer(connection, "250 2.1.0 ok\r\n") != Said::refused;
      connection.delivery = {.sender = line};
    } else if (line.starts_with("RCPT TO:<")) {
      require(connection.in_mail || pipelining_ || connection.odd);
      if (answer(connection, "250 2.1.5 ok\r\n") == Said::plainly && connection.in_mail)
        connection.delivery.recipients.push_back(line);
    } else if (line == "DATA\r\n") {
      connection.in_data = answer(connection, "354 go ahead\r\n") == Said::plainly;
    } else if (line == "RSET\r\n") {
      connection.in_mail = false;
      answer(connection, "250 2.0.0 ok\r\n");
    } else {
      // Where it had said 354 once too often, a message may come; its end does not.
      require(line == "QUIT\r\n" || connection.odd);
      connection.closed = true;
    }
  }

  // Only where the gate has not sent the end: it is heard before that.
  void speak_early(Connection& connection) {
    if (script_.empty() || static_cast<std::uint8_t>(script_.front()) < 0xf0) return;
    static constexpr std::array<std::string_view, 4> words{"250 2.0.0 taken\r\n",
                                                           "451 4.3.0 no\r\n", "354 what\r\n", "2"};
    connection.odd = true;
    put(connection, std::string(words[next() % words.size()]));
  }

  void put(Connection& connection, std::string octets) {
    if (connection.silent) return;
    connection.out->put(std::exchange(connection.held, {}) + std::move(octets));
  }

  Said answer(Connection& connection, const std::string& usual) {
    const auto way = next();
    if (way < 0xb0) {
      put(connection, usual);
      return Said::plainly;
    }
    switch ((way - 0xb0) % 16) {
      case 0:
        put(connection, "550 5.7.1 no\r\n");
        return Said::refused;
      case 1:
        put(connection, "451 4.3.0 not now\r\n");
        return Said::refused;
      case 2:
        put(connection, "421 4.3.2 bye\r\n");
        connection.closed = true;
        return Said::refused;
      case 3:
        connection.closed = true;
        return Said::unclear;
      case 4:
        for (const char octet : usual) put(connection, std::string(1, octet));
        return Said::plainly;
      case 5:
        put(connection, usual);
        connection.closed = true;
        return Said::plainly;
      case 6:
        // It goes out with the next, where one is asked for.
        connection.held += usual;
        return Said::plainly;
      default:
        break;
    }
    static constexpr std::array<std::string_view, 9> words{
        "250 2.0.0 surplus\r\n", "250 bare\n",   "2x0 no\r\n",
        "354 what\r\n",          "250-more\r\n", "999 x\r\n",
        "250 a\rb\r\n",          "\r\n",         "530 5.7.0 who are you\r\n"};
    const std::size_t which = (way - 0xb7) % words.size();
    const auto word = std::string(words[which]);
    const bool behind = (way & 1U) != 0;
    put(connection, behind ? usual + word : word);
    if (way == 0xff) connection.silent = true;
    if (!behind && which == 8) return Said::refused;
    // Another text, and all the same what an MTA may say here.
    if (!behind && which == (usual.starts_with("354") ? 3 : 0) && !usual.starts_with("220"))
      return Said::plainly;
    connection.odd = true;
    return Said::unclear;
  }

  std::string_view script_;
  bool pipelining_;
  bool gone_ = false;
  std::vector<Delivery> deliveries_;
  std::vector<std::shared_ptr<Pipe>> pipes_;
};

std::string expand(char octet, int& messages) {
  static constexpr std::array<std::string_view, 12> lines{
      "EHLO client.example\r\n",
      "MAIL FROM:<a@example.org>\r\n",
      "MAIL FROM:<>\r\n",
      "RCPT TO:<one@example.com>\r\n",
      "RCPT TO:<two@example.com>\r\n",
      "RCPT TO:<gone@example.com>\r\n",
      "DATA\r\n",
      "\r\n.\r\n",
      "RSET\r\n",
      "QUIT\r\n",
      "NOOP\r\n",
      "MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n"};
  const auto which = static_cast<unsigned char>(octet) & 0x0fU;
  if (which < lines.size()) return std::string(lines[which]);
  const auto number = ++messages;
  const auto head = fmt::format("From: a@example.org\r\nSubject: message {}\r\n\r\n", number);
  if (which == 12) return head + fmt::format("body {}\r\n.\r\n", number);
  if (which == 13) return head + "..\r\n..dots\r\n.\r\n";
  if (which == 14) return head;
  return head + std::string(5000, 'x') + "\r\n.\r\n";
}

std::shared_ptr<const proxy::SessionSettings> settings() {
  auto made = std::make_shared<proxy::SessionSettings>();
  made->hostname = "gate.example";
  made->received_header = false;
  made->limits.header = 4000;
  made->trusted = {*parse_network("127.0.0.0/8")};
  made->streams = std::make_shared<const policy::Streams>(std::vector<policy::Stream>{});
  made->split_connections = 1;
  return made;
}

policy::LinkKeys link_keys() {
  policy::LinkKey key{.id = 1};
  key.secret.fill(7);
  return *policy::LinkKeys::create({key});
}

Time fixed_clock() { return *parse_time("2026-03-02T12:00:00Z"); }

class Scene {
 public:
  Scene(std::uint8_t flags, std::size_t write_limit, std::size_t chunk, std::string_view upstream)
      : flags_(flags),
        write_limit_(write_limit),
        chunk_(chunk),
        upstream_(upstream, (flags & without_pipelining) == 0) {}

  void play(std::string_view client) {
    static const auto plain = settings();
    static const auto linked = [] {
      auto made = std::make_shared<proxy::SessionSettings>(*settings());
      made->links_url = "https://unsub.example";
      return made;
    }();
    static const auto keys = std::make_shared<const policy::LinkKeys>(link_keys());
    static const proxy::LinkKeySource source = [] { return keys; };
    const auto executor = context_.get_executor();
    proxy::Pool pool(
        executor, {.hostname = "gate.example", .connections = 4, .idle_close = {}, .timeouts = {}},
        [this]() { return connect(); });
    if ((flags_ & upstream_unknown) == 0) learn(pool);
    std::array<char, 4096> buffer{};
    to_gate_ = std::make_shared<Pipe>(executor);
    from_gate_ = std::make_shared<Pipe>(executor);
    Contacts contacts;
    policy::Findings findings;
    proxy::Session session("fuzz",
                           std::make_unique<MemoryStream>(to_gate_, from_gate_, write_limit_),
                           *parse_ip("127.0.0.1"),
                           {.buffer = buffer,
                            .pool = pool,
                            .contacts = contacts,
                            .findings = findings,
                            .clock = &fixed_clock,
                            .link_keys = &source},
                           (flags_ & with_links) != 0 ? linked : plain);
    bool ended = false;
    asio::co_spawn(context_, session.run(), [&ended](const std::exception_ptr& failure) {
      rethrow(failure);
      ended = true;
    });
    run();
    send(client);
    run();
    // What waits for the upstream comes to its end there first: the client is still there.
    upstream_.close();
    run();
    to_gate_->close();
    run();
    require(ended);
    pool.shut();
    run();
  }

  [[nodiscard]] const std::string& sent() const { return sent_; }
  [[nodiscard]] const std::string& heard() const { return heard_; }
  [[nodiscard]] const std::vector<Delivery>& deliveries() const { return upstream_.deliveries(); }

 private:
  void run() {
    context_.restart();
    context_.poll();
    while (!from_gate_->chunks.empty()) {
      heard_ += from_gate_->chunks.front();
      from_gate_->chunks.pop_front();
    }
  }

  awaitable<Result<std::unique_ptr<proxy::Stream>>> connect() {
    if (upstream_.gone()) co_return fail(Errc::io, "unreachable");
    const auto executor = context_.get_executor();
    auto there = std::make_shared<Pipe>(executor);
    auto back = std::make_shared<Pipe>(executor);
    asio::co_spawn(context_, upstream_.serve(there, back), rethrow);
    co_return std::make_unique<MemoryStream>(back, there, write_limit_);
  }

  void learn(proxy::Pool& pool) {
    asio::co_spawn(
        context_,
        [](proxy::Pool& learning) -> awaitable<void> {
          auto lease = co_await learning.acquire();
          if (lease) lease->give_back();
        }(pool),
        rethrow);
    context_.poll();
  }

  void send(std::string_view client) {
    int messages = 0;
    std::string piece;
    const auto flush = [&] {
      if (to_gate_->closed) return;
      sent_ += piece;
      for (; !piece.empty(); piece.erase(0, chunk_)) to_gate_->put(piece.substr(0, chunk_));
    };
    for (const char octet : client) {
      if (octet == wait_here || octet == cut_here) {
        flush();
        if (octet == wait_here) run();
      } else if (static_cast<unsigned char>(octet) >= 0x80 &&
                 static_cast<unsigned char>(octet) < 0x90) {
        piece += expand(octet, messages);
      } else {
        piece += octet;
      }
    }
    flush();
  }

  std::uint8_t flags_;
  std::size_t write_limit_;
  std::size_t chunk_;
  asio::io_context context_;
  Upstream upstream_;
  std::shared_ptr<Pipe> to_gate_;
  std::shared_ptr<Pipe> from_gate_;
  std::string sent_;
  std::string heard_;
};

const bool quiet = [] {
  log::start(log::Level::error);
  return true;
}();

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4 || size > 4096) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 3, size - 3);
  const auto split = input.find('\xff');
  const auto upstream = split == std::string_view::npos ? "" : input.substr(split + 1);
  Scene scene(data[0], data[1] == 0 ? 1U << 20U : data[1],
              data[2] == 0 ? std::string::npos : data[2], upstream);
  scene.play(input.substr(0, split));
  const bool copies = (data[0] & with_links) != 0;
  fuzz::check(fuzz::read_dialogue(scene.sent(), scene.heard()), scene.deliveries(), copies);
  return 0;
}
