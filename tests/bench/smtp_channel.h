#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

namespace postern::bench {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSession {
  void operator()(SSL* session) const { SSL_free(session); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

// A server's, with a PEM certificate and key; a client's, which believes any certificate. Ends the
// program where it cannot.
Context server_context(const char* certificate, const char* key);
Context client_context();

// One end of a TCP connection over loopback, with TLS if there is a context. It owns the socket;
// one thread. What the socket does not take at once is kept and sent by flush(). On a socket that
// blocks everything is done when it returns.
class Channel {
 public:
  // `delayed_acks`: asks the system after each read to hold back what acknowledges it (TCP_QUICKACK
  // off), as a peer across a network does: up to 40 ms, or until data goes the other way. A sender
  // that waits for the acknowledgement (Nagle) shows.
  Channel(int socket, SSL_CTX* context, bool client, bool delayed_acks);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int socket() const { return socket_; }
  void delay_acks(bool whether) { delayed_acks_ = whether; }

  // Octets read; 0: there are none now; -1: the peer closed, or the connection broke. As many as
  // there is room for: come again.
  std::ptrdiff_t read(std::span<char> room);

  // Sends all three, one behind the other; `body` and `end` must live until all is sent.
  // False: the connection broke.
  bool send(std::string_view head, std::string_view body = {}, std::string_view end = {});
  bool flush();
  // The socket takes no more: flush() when it is writable.
  bool blocked() const { return blocked_; }

 private:
  bool waiting() const { return !kept_.empty() || !body_.empty() || !end_.empty(); }
  std::ptrdiff_t read_plain(std::span<char> room);
  std::ptrdiff_t read_tls(std::span<char> room);
  bool send_plain();
  bool send_tls();

  int socket_;
  bool delayed_acks_;
  bool blocked_ = false;
  std::unique_ptr<SSL, FreeSession> tls_;
  std::string owned_;  // what kept_ is a part of, unless it is the caller's for the time of send()
  std::string_view kept_, body_, end_;
};

// A connection to the port on loopback, TCP_NODELAY; -1: refused.
int connect_to(std::uint16_t port);
void set_nonblocking(int socket);

// CPU time of this process.
std::uint64_t cpu_nanoseconds();
std::uint64_t clock_nanoseconds();

// Ends the program with status 1 and the text on standard error.
[[noreturn]] void fail(std::string_view why);

}  // namespace postern::bench
