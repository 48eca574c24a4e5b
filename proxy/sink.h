// A stand-in MTA that keeps what it is given, for trying the gate out: SMTP by the gate's own
// Dialogue, messages into a Maildir. It delivers nothing and relays nothing.
#pragma once

#include "proxy/dialogue.h"
#include "proxy/maildir.h"
#include "proxy/stream.h"

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace postern::proxy {

// Takes every recipient, and remembers who was named.
class SinkCheck final : public RecipientCheck {
 public:
  // Asked once for each MAIL: whoever was named before belongs to a transaction that is over.
  const policy::Stream& stream_of(const policy::Mailbox& reverse_path) override;
  std::optional<wire::Reply> check(const policy::Mailbox& recipient, const policy::Stream& stream,
                                   bool utf8) override;
  [[nodiscard]] std::vector<std::string> take_recipients() {
    return std::exchange(recipients_, {});
  }

 private:
  policy::Stream stream_;
  std::vector<std::string> recipients_;
};

class SinkSession {
 public:
  // `buffer` is the thread's.
  SinkSession(std::unique_ptr<Stream> client, const Maildir& maildir, std::span<char> buffer);
  [[nodiscard]] boost::asio::awaitable<void> run();

 private:
  [[nodiscard]] boost::asio::awaitable<bool> serve(Plan plan);
  [[nodiscard]] boost::asio::awaitable<bool> take_message();
  [[nodiscard]] boost::asio::awaitable<bool> read_more();
  [[nodiscard]] boost::asio::awaitable<bool> send(std::string octets);

  std::unique_ptr<Stream> client_;
  const Maildir& maildir_;
  std::span<char> buffer_;
  SinkCheck check_;
  Dialogue dialogue_;
  std::string pending_;
};

}  // namespace postern::proxy
