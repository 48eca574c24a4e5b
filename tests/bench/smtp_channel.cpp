#include "smtp_channel.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <fmt/format.h>
#include <openssl/err.h>
#include <unistd.h>

namespace postern::bench {
namespace {

// As much as goes into one TLS record with the commands of a message.
constexpr std::size_t joined_at_most = 15 * 1024;

void consume(std::string_view& part, std::size_t& sent) {
  const auto count = std::min(part.size(), sent);
  part.remove_prefix(count);
  sent -= count;
}

std::uint64_t nanoseconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// OpenSSL writes to the socket with write(), which knows no MSG_NOSIGNAL.
Context new_context(const SSL_METHOD* method) {
  std::signal(SIGPIPE, SIG_IGN);
  Context context(SSL_CTX_new(method));
  if (!context) fail("no TLS context");
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  return context;
}

}  // namespace

Context server_context(const char* certificate, const char* key) {
  auto context = new_context(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), key, SSL_FILETYPE_PEM) != 1) {
    fail(fmt::format("cannot use {} with {}", certificate, key));
  }
  return context;
}

Context client_context() { return new_context(TLS_client_method()); }

Channel::Channel(int socket, SSL_CTX* context, bool client, bool delayed_acks)
    : socket_(socket), delayed_acks_(delayed_acks) {
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (context == nullptr) return;
  tls_.reset(SSL_new(context));
  SSL_set_fd(tls_.get(), socket_);
  if (client) {
    SSL_set_connect_state(tls_.get());
  } else {
    SSL_set_accept_state(tls_.get());
  }
}

Channel::~Channel() {
  if (tls_) SSL_shutdown(tls_.get());
  close(socket_);
}

std::ptrdiff_t Channel::read(std::span<char> room) {
  const auto count = tls_ ? read_tls(room) : read_plain(room);
  if (tls_ && waiting() && !flush()) return -1;
  if (delayed_acks_) {
    const int off = 0;
    setsockopt(socket_, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
  }
  return count;
}

std::ptrdiff_t Channel::read_plain(std::span<char> room) {
  const auto count = recv(socket_, room.data(), room.size(), 0);
  if (count > 0) return count;
  return count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

// All records that are there: epoll does not know of what OpenSSL has read already.
std::ptrdiff_t Channel::read_tls(std::span<char> room) {
  std::size_t total = 0;
  while (total < room.size()) {
    std::size_t count = 0;
    ERR_clear_error();  // of another connection: SSL_get_error would take it for this one's
    const auto done = SSL_read_ex(tls_.get(), room.data() + total, room.size() - total, &count);
    if (done != 1) {
      const auto error = SSL_get_error(tls_.get(), done);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE || total > 0) break;
      return -1;
    }
    total += count;
    if (SSL_pending(tls_.get()) == 0 && (fcntl(socket_, F_GETFL) & O_NONBLOCK) == 0) break;
  }
  return static_cast<std::ptrdiff_t>(total);
}

bool Channel::send(std::string_view head, std::string_view body, std::string_view end) {
  if (waiting()) {
    if (!body_.empty() || !end_.empty()) return false;  // the protocol has no such moment
    std::string more(kept_);
    more += head;
    owned_ = std::move(more);
    kept_ = owned_;
  } else {
    kept_ = head;
  }
  body_ = body;
  end_ = end;
  if (tls_ && head.size() + body.size() + end.size() <= joined_at_most) {
    std::string joined(kept_);
    joined.append(body).append(end);
    owned_ = std::move(joined);
    kept_ = owned_;
    body_ = end_ = {};
  }
  if (!flush()) return false;
  // What is left of `head` becomes ours: it is the caller's only until we return.
  if (!kept_.empty() &&
      (kept_.data() < owned_.data() || kept_.data() >= owned_.data() + owned_.size())) {
    owned_.assign(kept_);
    kept_ = owned_;
  }
  return true;
}

bool Channel::flush() {
  blocked_ = false;
  return tls_ ? send_tls() : send_plain();
}

bool Channel::send_plain() {
  while (waiting()) {
    std::array<iovec, 3> parts{};
    std::size_t used = 0;
    for (const auto part : {kept_, body_, end_}) {
      if (!part.empty()) parts[used++] = {const_cast<char*>(part.data()), part.size()};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = used;
    const auto count = sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (count < 0) {
      blocked_ = errno == EAGAIN;
      if (blocked_ || errno != EINTR) return blocked_;
      continue;
    }
    auto sent = static_cast<std::size_t>(count);
    for (auto* part : {&kept_, &body_, &end_}) consume(*part, sent);
  }
  return true;
}

bool Channel::send_tls() {
  for (auto* part : {&kept_, &body_, &end_}) {
    while (!part->empty()) {
      std::size_t sent = 0;
      ERR_clear_error();
      const auto done = SSL_write_ex(tls_.get(), part->data(), part->size(), &sent);
      if (done != 1) {
        const auto error = SSL_get_error(tls_.get(), done);
        blocked_ = error == SSL_ERROR_WANT_WRITE;
        return blocked_ ||
               error == SSL_ERROR_WANT_READ;  // the handshake is not done: read() goes on
      }
      consume(*part, sent);
    }
  }
  return true;
}

int connect_to(std::uint16_t port) {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made < 0) return -1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(made);
    return -1;
  }
  return made;
}

void set_nonblocking(int socket) { fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK); }

std::uint64_t cpu_nanoseconds() { return nanoseconds(CLOCK_PROCESS_CPUTIME_ID); }
std::uint64_t clock_nanoseconds() { return nanoseconds(CLOCK_MONOTONIC); }

void fail(std::string_view why) {
  fmt::print(stderr, "{}\n", why);
  std::exit(1);
}

}  // namespace postern::bench
