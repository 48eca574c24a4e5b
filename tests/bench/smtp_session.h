#pragma once

#include "smtp_channel.h"
#include "smtp_message.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::bench {

// What smtp_load is told on its command line.
struct Work {
  std::uint16_t port = 0;
  std::size_t messages = 1000;
  std::size_t connections = 10;  // at a time
  std::size_t each = 100;        // messages a connection
  std::size_t recipients = 1;    // a message
  std::size_t size = 4096;       // of a body, at least
  std::string sender = "news@example.com";
  std::string before = "p", behind = "@example.net";  // of a recipient's number
  std::size_t range = 1'000'000;                      // of recipients' numbers
  std::string expect = "250";                         // how the reply to each RCPT begins
  bool tls = false;
  bool delayed_acks = false;
  std::size_t latency = 0;      // RCPTs one by one, instead
  std::size_t idle = 0;         // connections held open, instead
  std::vector<std::string> to;  // recipients in turn, instead of numbered ones
  std::string message;  // as on the wire, without the final dot, instead of our own; a Message-ID
                        // goes in front
};

// What the sessions share: the numbers of messages and recipients, and the first thing that went
// wrong.
struct Progress {
  std::size_t begun = 0;  // messages
  std::size_t taken = 0;
  std::size_t recipients = 0;  // answered as expected
  std::size_t next_recipient = 0;
  std::string error;
};

// Puts "RCPT TO:<...>" of the next recipient behind `out`. Their order scatters over the whole
// range, so that neighbours are not looked up one behind the other.
void append_recipient(std::string& out, const Work& work, Progress& progress);

// A client's session: EHLO, then messages, each as MAIL, RCPT, ..., DATA in one write and its text
// in another, then QUIT. Every reply is checked.
// Whoever answers QUIT closes the connection, and until then the session is not over.
class Session {
 public:
  Session(int socket, SSL_CTX* context, const Work& work, const Text& text, Progress& progress);

  // Reads and goes on. False: it is over, well or with progress.error.
  bool readable(std::span<char> room);
  bool writable() { return channel_.flush() || broken("the connection broke"); }
  bool blocked() const { return channel_.blocked(); }
  int socket() const { return channel_.socket(); }
  bool armed = false;  // epoll tells when it is writable

 private:
  enum class Stage { greeting, hello, reset, mail, recipients, data, text, quit, end };

  bool take(std::string_view octets);
  bool reply(std::string_view line);
  bool begin_message();
  bool send_text();
  bool broken(std::string_view what);

  Channel channel_;
  const Work& work_;
  const Text& text_;
  Progress& progress_;
  Stage stage_ = Stage::greeting;
  std::string rest_;  // of a reply that has not come whole
  std::string out_;
  std::size_t begun_ = 0;     // messages of this connection
  std::size_t answered_ = 0;  // recipients of this message
  std::size_t last_ = 0;      // recipient of this message
  bool reset_ = false;        // the last message was refused: RSET comes first
};

}  // namespace postern::bench
