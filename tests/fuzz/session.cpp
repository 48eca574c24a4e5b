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
#include "session_parts.h"
#include "session_upstream.h"

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
using fuzz::Upstream;
using test::MemoryStream;
using test::Pipe;

namespace {

constexpr std::uint8_t without_pipelining = 1;
constexpr std::uint8_t with_links = 2;
constexpr std::uint8_t upstream_unknown = 4;
constexpr char wait_here = 0x1e;
constexpr char cut_here = 0x1f;

// Whose local part begins with "gone" has unsubscribed.
class Contacts final : public policy::ContactReader {
 public:
  Result<void> find(const policy::CanonicalAddress& address, policy::Findings& findings) override {
    findings.clear();
    if (!address.text.starts_with("gone")) return {};
    test::add_hold(findings, policy::HoldKind::unsubscribed, policy::Scope::Kind::all);
    return {};
  }
  Result<std::string> note(const policy::EventId& /*event*/) override { return std::string(); }
  Result<policy::ContactRef> ref(const policy::CanonicalAddress& /*address*/) override {
    return policy::ContactRef{};
  }
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
    static const auto keys = std::make_shared<const policy::LinkKeys>(test::link_keys());
    static const proxy::LinkKeySource source = [] { return keys; };
    const auto executor = context_.get_executor();
    proxy::Routes routes;
    routes.add({}, executor, {.connections = 4, .idle_close = {}}, [this]() { return connect(); });
    if ((flags_ & upstream_unknown) == 0) test::learn(context_, routes.last());
    std::array<char, 4096> buffer{};
    to_gate_ = std::make_shared<Pipe>(executor);
    from_gate_ = std::make_shared<Pipe>(executor);
    Contacts contacts;
    policy::Findings findings;
    proxy::Session session("fuzz",
                           std::make_unique<MemoryStream>(to_gate_, from_gate_, write_limit_),
                           *parse_ip("127.0.0.1"),
                           {.buffer = buffer,
                            .routes = routes,
                            .contacts = contacts,
                            .findings = findings,
                            .clock = &test::fixed_clock,
                            .link_keys = &source},
                           (flags_ & with_links) != 0 ? linked : plain);
    bool ended = false;
    asio::co_spawn(context_, session.run(), [&ended](const std::exception_ptr& failure) {
      test::rethrow(failure);
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
    routes.last().shut();
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

  awaitable<Result<std::unique_ptr<proxy::Upstream>>> connect() {
    if (upstream_.gone()) co_return fail(Errc::io, "unreachable");
    const auto executor = context_.get_executor();
    auto there = std::make_shared<Pipe>(executor);
    auto back = std::make_shared<Pipe>(executor);
    asio::co_spawn(context_, upstream_.serve(there, back), test::rethrow);
    co_return co_await test::open_upstream(
        std::make_unique<MemoryStream>(back, there, write_limit_));
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
