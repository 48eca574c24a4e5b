// Sends the benchmark's mail and checks every reply. One thread, epoll, pipelining.
//
//   smtp_load --port N [--messages N] [--connections N] [--each N] [--recipients N] [--size N]
//   [--sender ADDRESS]
//             [--template u%d@example.net] [--range N] [--expect 550] [--tls] [--delayed-acks]
//             [--to FILE] [--message FILE] [--latency N] [--idle N]
//
// Prints one line of JSON. smtp_session.h says what the options are; --to has a recipient on each
// line.

#include "smtp_channel.h"
#include "smtp_probe.h"
#include "smtp_session.h"

#include <array>
#include <cstdlib>
#include <fstream>
#include <getopt.h>
#include <iterator>
#include <memory>
#include <string>
#include <sys/epoll.h>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::bench {
namespace {

constexpr int patience = 60'000;  // milliseconds without any reply

class Load {
 public:
  explicit Load(const Work& work)
      : work_(work), text_(work.size), room_(256 * 1024), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (work.tls) context_ = client_context();
  }

  void run() {
    const auto began = clock_nanoseconds();
    for (std::size_t count = 0; count < work_.connections; ++count) open();
    std::array<epoll_event, 256> events;
    while (open_ > 0 && progress_.error.empty()) {
      const auto count =
          epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), patience);
      if (count == 0) progress_.error = "no reply within a minute";
      for (int index = 0; index < count; ++index) serve(events[static_cast<std::size_t>(index)]);
    }
    report(clock_nanoseconds() - began);
  }

 private:
  void open() {
    // A connection has `each` messages: as many as that are still to be begun by connections that
    // are open are not ours.
    if (promised_ >= work_.messages || !progress_.error.empty()) return;
    promised_ += work_.each;
    const auto socket = connect_to(work_.port);
    if (socket < 0) {
      progress_.error = "the connection was refused";
      return;
    }
    set_nonblocking(socket);
    const auto index = static_cast<std::size_t>(socket);
    if (sessions_.size() <= index) sessions_.resize(index + 1);
    sessions_[index] = std::make_unique<Session>(socket, context_.get(), work_, text_, progress_);
    ++open_;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = socket;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
    // TLS: the client speaks first.
    if (work_.tls && !sessions_[index]->readable(room_)) close(socket);
  }

  void serve(const epoll_event& event) {
    auto& session = sessions_[static_cast<std::size_t>(event.data.fd)];
    if (!session) return;
    auto alive = true;
    if ((event.events & EPOLLOUT) != 0) alive = session->writable();
    if (alive && (event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) {
      alive = session->readable(room_);
    }
    if (!alive) {
      close(event.data.fd);
      open();
    } else if (session->blocked() != session->armed) {
      session->armed = session->blocked();
      epoll_event wanted{};
      wanted.events = session->armed ? EPOLLIN | EPOLLOUT : EPOLLIN;
      wanted.data.fd = event.data.fd;
      epoll_ctl(epoll_, EPOLL_CTL_MOD, event.data.fd, &wanted);
    }
  }

  void close(int socket) {
    sessions_[static_cast<std::size_t>(socket)].reset();
    --open_;
  }

  void report(std::uint64_t took) const {
    if (progress_.error.empty() && progress_.taken != work_.messages)
      fail("not every message was sent");
    if (!progress_.error.empty()) fail(progress_.error);
    fmt::print("{{\"messages\": {}, \"recipients\": {}, \"seconds\": {:.6f}, \"cpu_ns\": {}}}\n",
               progress_.taken, progress_.recipients, static_cast<double>(took) / 1e9,
               cpu_nanoseconds());
  }

  const Work& work_;
  const Text text_;
  std::vector<char> room_;
  int epoll_;
  Context context_;
  Progress progress_;
  std::vector<std::unique_ptr<Session>> sessions_;  // by descriptor
  std::size_t open_ = 0;
  std::size_t promised_ = 0;  // messages of connections that were opened
};

std::size_t number_of(const char* text) {
  char* end = nullptr;
  const auto number = std::strtoull(text, &end, 10);
  if (*end != '\0') fail(fmt::format("not a number: {}", text));
  return number;
}

std::string content_of(const char* file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(fmt::format("cannot read {}", file));
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> lines_of(const char* file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  if (lines.empty()) fail(fmt::format("no lines in {}", file));
  return lines;
}

void set_template(Work& work, std::string_view text) {
  const auto at = text.find("%d");
  if (at == std::string_view::npos) fail("a template of recipients has a %d");
  work.before = text.substr(0, at);
  work.behind = text.substr(at + 2);
}

void set(Work& work, char option) {
  switch (option) {
    case 'p':
      work.port = static_cast<std::uint16_t>(number_of(optarg));
      break;
    case 'm':
      work.messages = number_of(optarg);
      break;
    case 'c':
      work.connections = number_of(optarg);
      break;
    case 'e':
      work.each = number_of(optarg);
      break;
    case 'r':
      work.recipients = number_of(optarg);
      break;
    case 's':
      work.size = number_of(optarg);
      break;
    case 'f':
      work.sender = optarg;
      break;
    case 't':
      set_template(work, optarg);
      break;
    case 'n':
      work.range = number_of(optarg);
      break;
    case 'x':
      work.expect = optarg;
      break;
    case 'T':
      work.tls = true;
      break;
    case 'D':
      work.delayed_acks = true;
      break;
    case 'l':
      work.latency = number_of(optarg);
      break;
    case 'i':
      work.idle = number_of(optarg);
      break;
    case 'o':
      work.to = lines_of(optarg);
      break;
    case 'M':
      work.message = content_of(optarg);
      break;
    default:
      fail("smtp_load.cpp says what it takes");
  }
}

Work parse(int count, char** arguments) {
  static const option known[] = {
      {"port", 1, nullptr, 'p'},        {"messages", 1, nullptr, 'm'},
      {"connections", 1, nullptr, 'c'}, {"each", 1, nullptr, 'e'},
      {"recipients", 1, nullptr, 'r'},  {"size", 1, nullptr, 's'},
      {"sender", 1, nullptr, 'f'},      {"template", 1, nullptr, 't'},
      {"range", 1, nullptr, 'n'},       {"expect", 1, nullptr, 'x'},
      {"tls", 0, nullptr, 'T'},         {"delayed-acks", 0, nullptr, 'D'},
      {"latency", 1, nullptr, 'l'},     {"idle", 1, nullptr, 'i'},
      {"to", 1, nullptr, 'o'},          {"message", 1, nullptr, 'M'},
      {nullptr, 0, nullptr, 0}};
  Work work;
  for (int got = 0; (got = getopt_long(count, arguments, "", known, nullptr)) != -1;) {
    set(work, static_cast<char>(got));
  }
  return work;
}

}  // namespace
}  // namespace postern::bench

int main(int count, char** arguments) {
  using namespace postern::bench;
  const auto work = parse(count, arguments);
  if (work.latency > 0) {
    measure_latency(work);
  } else if (work.idle > 0) {
    hold_idle(work);
  } else {
    Load(work).run();
  }
  return 0;
}
