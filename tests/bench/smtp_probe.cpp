#include "smtp_probe.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <sys/socket.h>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::bench {
namespace {

// A connection that blocks: a command, then its reply.
class Asker {
 public:
  Asker(const Work& work, SSL_CTX* context)
      : channel_(connected(work), context, true, work.delayed_acks) {
    expect("220");
    ask("EHLO client.example.com\r\n", "250");
  }

  void ask(std::string_view command, std::string_view expected) {
    if (!channel_.send(command)) fail("the connection broke");
    expect(expected);
  }

  // Whether the server still holds it: nothing to be read, and no end either.
  bool open() const {
    char octet = 0;
    return recv(channel_.socket(), &octet, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }

 private:
  static int connected(const Work& work) {
    const auto socket = connect_to(work.port);
    if (socket < 0) fail("the connection was refused");
    return socket;
  }

  // Ends the program at another reply, or none.
  void expect(std::string_view expected) {
    std::size_t count = 0;
    do {
      const auto got = channel_.read(std::span(room_).subspan(count));
      if (got < 0 || count == room_.size()) {
        fail(fmt::format("the connection was closed before a reply {}", expected));
      }
      count += static_cast<std::size_t>(got);
    } while (!whole({room_.data(), count}));
    if (!std::string_view(room_.data(), count).starts_with(expected)) {
      fail(fmt::format("an unexpected reply: {:.200}", std::string_view(room_.data(), count)));
    }
  }

  static bool whole(std::string_view reply) {
    if (!reply.ends_with("\r\n")) return false;
    const auto last = reply.substr(0, reply.size() - 2).rfind('\n');
    const auto line = last == std::string_view::npos ? reply : reply.substr(last + 1);
    return line.size() > 3 && line[3] != '-';
  }

  Channel channel_;
  std::array<char, 2048> room_{};
};

Context context_of(const Work& work) { return work.tls ? client_context() : Context(); }

}  // namespace

void measure_latency(const Work& work) {
  const auto context = context_of(work);
  Asker asker(work, context.get());
  Progress progress;
  std::vector<std::uint64_t> times;
  std::string command;
  for (std::size_t count = 0; count < work.latency; ++count) {
    asker.ask("MAIL FROM:<" + work.sender + ">\r\n", "250");
    command.clear();
    append_recipient(command, work, progress);
    const auto began = clock_nanoseconds();
    asker.ask(command, work.expect);
    times.push_back(clock_nanoseconds() - began);
    asker.ask("RSET\r\n", "250");
  }
  asker.ask("QUIT\r\n", "221");
  std::sort(times.begin(), times.end());
  fmt::print("{{\"answers\": {}, \"p50_ns\": {}, \"p99_ns\": {}}}\n", times.size(),
             times[times.size() / 2], times[times.size() * 99 / 100]);
}

void hold_idle(const Work& work) {
  const auto context = context_of(work);
  std::vector<std::unique_ptr<Asker>> held;
  while (held.size() < work.idle) held.push_back(std::make_unique<Asker>(work, context.get()));
  fmt::print("{{\"idle\": {}}}\n", held.size());
  std::fflush(stdout);
  char octet = 0;
  while (read(STDIN_FILENO, &octet, 1) > 0) {
  }
  const auto open = std::ranges::count_if(held, [](const auto& asker) { return asker->open(); });
  if (static_cast<std::size_t>(open) != held.size())
    fail(fmt::format("{} of {} are still open", open, held.size()));
  for (const auto& asker : held) asker->ask("QUIT\r\n", "221");
}

}  // namespace postern::bench
