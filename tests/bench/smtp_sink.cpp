// Takes the benchmark's mail and compares every octet of it (smtp_message.h). One thread, epoll,
// pipelining.
//
//   smtp_sink [--certificate FILE --key FILE] [--delayed-acks] [--any] [--senders FILE]
//
// Prints {"port": N} when it listens. For each line on standard input it prints what it took since
// the last one, as one line of JSON. Ends with its input. --any: messages that are not the
// benchmark's are taken too, unseen. --senders: reverse-paths of what it takes, one a line.

#include "smtp_channel.h"
#include "smtp_message.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <getopt.h>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::bench {
namespace {

constexpr std::size_t longest_line = 4096;
constexpr std::size_t longest_section = 256 * 1024;
constexpr int backlog = 8192;

struct Options {
  const char* certificate = nullptr;
  const char* key = nullptr;
  bool any = false;
  std::FILE* senders = nullptr;
};

struct Counts {
  std::size_t connections = 0;
  std::size_t messages = 0;
  std::size_t recipients = 0;  // of those messages
  std::size_t octets = 0;      // of their bodies
  std::size_t errors = 0;
  std::string first_error;
};

// One client. take() is given what has arrived and answers all of it at once.
class Client {
 public:
  Client(int socket, SSL_CTX* context, bool delayed_acks, const Options& options, Counts& counts)
      : channel_(socket, context, false, delayed_acks), options_(options), counts_(counts) {
    ++counts_.connections;
    channel_.send("220 sink.example.net ESMTP\r\n");  // with TLS: kept until the handshake is done
  }

  // False: the connection is to be closed.
  bool readable(std::span<char> room) {
    for (;;) {
      const auto count = channel_.read(room);
      if (count < 0) return false;
      if (count == 0) return true;
      if (!take({room.data(), static_cast<std::size_t>(count)})) return false;
      if (static_cast<std::size_t>(count) < room.size()) return true;
    }
  }
  bool writable() { return channel_.flush(); }
  void delay_acks(bool whether) { channel_.delay_acks(whether); }
  bool blocked() const { return channel_.blocked(); }
  bool armed = false;  // epoll tells when it is writable

 private:
  enum class Stage { command, section, body, end, other };

  bool take(std::string_view octets) {
    if (!rest_.empty()) {
      rest_ += octets;
      octets = rest_;
    }
    replies_.clear();
    const auto before = octets.size();
    while (go_on_ && step(octets)) {
    }
    if (octets.size() != before || rest_.empty()) rest_ = std::string(octets);
    if (!replies_.empty() && !channel_.send(replies_)) return false;
    return go_on_;
  }

  // Takes a piece off the front of what has arrived. False: there has to be more first.
  bool step(std::string_view& octets) {
    switch (stage_) {
      case Stage::command:
        return take_command(octets);
      case Stage::section:
        return take_section(octets);
      case Stage::body:
        return take_body(octets);
      case Stage::end:
        return take_end(octets);
      case Stage::other:
        return take_other(octets);
    }
    return false;
  }

  bool take_command(std::string_view& octets) {
    const auto end = octets.find('\n');
    if (end == std::string_view::npos) {
      return octets.size() > longest_line ? error("a command without an end") : false;
    }
    command(octets.substr(0, end + 1));
    octets.remove_prefix(end + 1);
    return true;
  }

  void command(std::string_view line) {
    if (line.starts_with("RCPT TO:<") && mail_) {
      ++recipients_;
      replies_ += "250 2.1.5 Ok\r\n";
    } else if (line.starts_with("MAIL FROM:<") && !mail_) {
      mail_ = true;
      if (options_.senders != nullptr) sender_ = line.substr(11, line.find('>') - 11);
      replies_ += "250 2.1.0 Ok\r\n";
    } else if (line == "DATA\r\n" && recipients_ > 0) {
      stage_ = Stage::section;
      replies_ += "354 End data with <CR><LF>.<CR><LF>\r\n";
    } else if (line == "RSET\r\n") {
      forget();
      replies_ += "250 2.0.0 Ok\r\n";
    } else if (line.starts_with("EHLO ")) {
      forget();
      replies_ +=
          "250-sink.example.net\r\n250-PIPELINING\r\n250-SIZE "
          "104857600\r\n250-ENHANCEDSTATUSCODES\r\n"
          "250 8BITMIME\r\n";
    } else if (line == "QUIT\r\n") {
      replies_ += "221 2.0.0 Bye\r\n";
      go_on_ = false;
    } else if (line == "NOOP\r\n") {
      replies_ += "250 2.0.0 Ok\r\n";
    } else {
      error(fmt::format("a command out of place: {:.60}", line));
    }
  }

  bool take_section(std::string_view& octets) {
    const auto end = octets.find("\r\n\r\n");
    if (end == std::string_view::npos) {
      return octets.size() > longest_section ? error("a header section without an end") : false;
    }
    if (read_label(octets.substr(0, end + 2), label_)) {
      octets.remove_prefix(end + 4);
      done_ = 0;
      stage_ = Stage::body;
      return true;
    }
    if (!options_.any) return error("a header section that is not as it was sent");
    octets.remove_prefix(end + 2);
    stage_ = Stage::other;
    return true;
  }

  bool take_body(std::string_view& octets) {
    const auto count = std::min(octets.size(), label_.size - done_);
    if (!text_.has(label_.line, done_, octets.substr(0, count))) {
      return error(fmt::format("message {}: its body differs", label_.number));
    }
    done_ += count;
    octets.remove_prefix(count);
    if (done_ == label_.size) stage_ = Stage::end;
    return done_ == label_.size;
  }

  bool take_end(std::string_view& octets) {
    if (octets.size() < 3) return false;
    if (!octets.starts_with(".\r\n"))
      return error(fmt::format("message {}: it goes on", label_.number));
    octets.remove_prefix(3);
    counts_.octets += label_.size;
    taken();
    return true;
  }

  bool take_other(std::string_view& octets) {
    const auto end = octets.find("\r\n.\r\n");
    if (end == std::string_view::npos) {
      if (octets.size() > 4) octets.remove_prefix(octets.size() - 4);
      return false;
    }
    counts_.octets += end;
    octets.remove_prefix(end + 5);
    taken();
    return true;
  }

  void taken() {
    ++counts_.messages;
    counts_.recipients += recipients_;
    if (options_.senders != nullptr) fmt::print(options_.senders, "{}\n", sender_);
    forget();
    replies_ += "250 2.0.0 Ok: taken\r\n";
  }

  void forget() {
    stage_ = Stage::command;
    mail_ = false;
    recipients_ = 0;
  }

  // The client is told, and its connection closed. Always false.
  bool error(std::string_view what) {
    if (counts_.errors++ == 0) counts_.first_error = what;
    replies_ += "554 5.3.0 The benchmark's sink: this is not what was sent\r\n";
    go_on_ = false;
    return false;
  }

  static inline const Text text_{};
  Channel channel_;
  const Options& options_;
  Counts& counts_;
  Stage stage_ = Stage::command;
  std::string rest_, replies_, sender_;
  Label label_;
  std::size_t recipients_ = 0;
  std::size_t done_ = 0;  // octets of the body
  bool mail_ = false;
  bool go_on_ = true;
};

class Sink {
 public:
  explicit Sink(const Options& options)
      : options_(options), room_(256 * 1024), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (options.certificate != nullptr) {
      context_ = server_context(options.certificate, options.key);
    }
    listen_on_loopback();
    watch(STDIN_FILENO, EPOLLIN, EPOLL_CTL_ADD);
  }

  void run() {
    std::array<epoll_event, 256> events;
    while (!ended_) {
      const auto count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int index = 0; index < count; ++index) {
        const auto& event = events[static_cast<std::size_t>(index)];
        if (event.data.fd == listener_) {
          accept_all();
        } else if (event.data.fd == STDIN_FILENO) {
          obey();
        } else {
          serve(event.data.fd, event.events);
        }
      }
    }
  }

 private:
  void watch(int socket, std::uint32_t events, int how) {
    epoll_event event{};
    event.events = events;
    event.data.fd = socket;
    epoll_ctl(epoll_, how, socket, &event);
  }

  void listen_on_loopback() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_, generic, size) != 0 || listen(listener_, backlog) != 0 ||
        getsockname(listener_, generic, &size) != 0) {
      fail("cannot listen on loopback");
    }
    watch(listener_, EPOLLIN, EPOLL_CTL_ADD);
    fmt::print("{{\"port\": {}}}\n", ntohs(address.sin_port));
    std::fflush(stdout);
  }

  void accept_all() {
    for (;;) {
      const auto socket = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (socket < 0) return;
      const auto index = static_cast<std::size_t>(socket);
      if (clients_.size() <= index) clients_.resize(index + 1);
      clients_[index] =
          std::make_unique<Client>(socket, context_.get(), delayed_acks_, options_, counts_);
      watch(socket, EPOLLIN, EPOLL_CTL_ADD);
    }
  }

  void serve(int socket, std::uint32_t events) {
    auto& client = clients_[static_cast<std::size_t>(socket)];
    if (!client) return;
    auto alive = true;
    if ((events & EPOLLOUT) != 0) alive = client->writable();
    if (alive && (events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0)
      alive = client->readable(room_);
    if (!alive) {
      client.reset();
    } else if (client->blocked() != client->armed) {
      client->armed = client->blocked();
      watch(socket, client->armed ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    }
  }

  void obey() {
    std::array<char, 64> letters;
    const auto count = ::read(STDIN_FILENO, letters.data(), letters.size());
    ended_ = count <= 0;
    for (const auto letter :
         std::string_view(letters.data(), count > 0 ? static_cast<std::size_t>(count) : 0)) {
      if (letter == 'r') report();
      if (letter == 'd' || letter == 'i') delay_acks(letter == 'd');
    }
  }

  void delay_acks(bool whether) {
    delayed_acks_ = whether;
    for (const auto& client : clients_) {
      if (client) client->delay_acks(whether);
    }
  }

  void report() {
    if (options_.senders != nullptr) std::fflush(options_.senders);
    const auto cpu = cpu_nanoseconds();
    fmt::print(
        "{{\"connections\": {}, \"messages\": {}, \"recipients\": {}, \"octets\": {}, \"errors\": "
        "{}, "
        "\"first_error\": \"{}\", \"cpu_ns\": {}}}\n",
        counts_.connections, counts_.messages, counts_.recipients, counts_.octets, counts_.errors,
        counts_.first_error, cpu - cpu_before_);
    std::fflush(stdout);
    counts_ = {};
    cpu_before_ = cpu;
  }

  const Options& options_;
  std::vector<char> room_;
  int epoll_;
  int listener_ = -1;
  Context context_;
  Counts counts_;
  std::uint64_t cpu_before_ = 0;
  std::vector<std::unique_ptr<Client>> clients_;  // by descriptor
  bool delayed_acks_ = false;
  bool ended_ = false;
};

Options parse(int count, char** arguments) {
  static const option known[] = {
      {"certificate", required_argument, nullptr, 'c'}, {"key", required_argument, nullptr, 'k'},
      {"delayed-acks", no_argument, nullptr, 'd'},      {"any", no_argument, nullptr, 'a'},
      {"senders", required_argument, nullptr, 's'},     {nullptr, 0, nullptr, 0}};
  Options options;
  for (int got = 0; (got = getopt_long(count, arguments, "", known, nullptr)) != -1;) {
    switch (got) {
      case 'c':
        options.certificate = optarg;
        break;
      case 'k':
        options.key = optarg;
        break;
      case 'a':
        options.any = true;
        break;
      case 's':
        options.senders = std::fopen(optarg, "w");
        break;
      default:
        fail("smtp_sink.cpp says what it takes");
    }
  }
  return options;
}

}  // namespace
}  // namespace postern::bench

int main(int count, char** arguments) {
  const auto options = postern::bench::parse(count, arguments);
  postern::bench::Sink(options).run();
  return 0;
}
