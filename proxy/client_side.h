// The client's side of a session: octets in, commands out of them, replies back, each with a
// deadline; and how it ends. What is said is Dialogue's, what follows from it the session's own
// (session.h, return_session.h). One thread: no locks here.
#pragma once

#include "base/config.h"
#include "base/network.h"
#include "base/time.h"
#include "certs/server_certificates.h"
#include "proxy/capabilities.h"
#include "proxy/dialogue.h"
#include "proxy/served.h"
#include "proxy/stream.h"

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace postern::proxy {

struct SessionSettings;

// TLS as a listener has it.
struct ListenerTls {
  ListenerConfig::Tls mode = ListenerConfig::Tls::off;
  std::shared_ptr<const certs::ServerCertificates> certificates{};  // null: none
};

class ClientSide : public Served {
 public:
  // A transaction past DATA finishes, anything else is answered 421 4.3.2.
  void drain() override;

 protected:
  // `buffer` is the thread's; the check of a Dialogue outlives it.
  ClientSide(std::string id, std::unique_ptr<Stream> client, IpAddress peer, std::span<char> buffer,
             Dialogue::Rules rules, RecipientCheck& check, const SessionSettings& settings);

  // What of the octets are whole commands that can be decided together; the rest is kept.
  [[nodiscard]] Plan take(std::string_view octets, const Capabilities& offered);
  // Reads until there is something. The view is into the thread's buffer: it must be used up before
  // the next co_await.
  [[nodiscard]] boost::asio::awaitable<Result<std::string_view>> receive(
      std::chrono::milliseconds limit, std::size_t at_most);
  // The time that so much of a message may have taken.
  [[nodiscard]] static std::chrono::milliseconds earned(std::uint64_t octets);
  // How long the next piece of a message is waited for: whoever sends an octet now and then does
  // not keep an upstream for ever.
  [[nodiscard]] static std::chrono::milliseconds patience(
      std::uint64_t octets, std::chrono::steady_clock::time_point begun,
      std::chrono::milliseconds limit);
  // The next commands, and none of them from `until` on, however many come; where there are none
  // any more, the client was told why.
  [[nodiscard]] boost::asio::awaitable<Result<std::string_view>> receive_commands(
      std::chrono::steady_clock::time_point until = std::chrono::steady_clock::time_point::max());
  // The greeting, behind TLS where the listener begins with it. False where there is nobody to
  // greet.
  [[nodiscard]] boost::asio::awaitable<bool> greet();
  // Behind the 220 to STARTTLS. What came with it is forgotten: whoever stands between could have
  // put it there (RFC 3207 section 4.2).
  [[nodiscard]] boost::asio::awaitable<bool> start_tls();
  // A line of the exchange of AUTH, without its CRLF, within `limit` as a whole. Errc::invalid
  // where it holds a bare CR or LF, or NUL; Errc::full where it is too long, and nothing can
  // follow; otherwise as receive().
  [[nodiscard]] boost::asio::awaitable<Result<std::string>> receive_line(
      std::chrono::milliseconds limit);
  // False where the client does not take it; logged.
  [[nodiscard]] boost::asio::awaitable<bool> send(std::string octets);
  // All of a plan's replies. False where the session is over, one reason of which is a client that
  // sent its message without waiting for the 354 that it did not get.
  [[nodiscard]] boost::asio::awaitable<bool> send_replies(const Plan& plan, bool go_ahead);
  // The Received: line of the transaction under way.
  [[nodiscard]] std::string trace(Time now) const;
  // The last word, where one is due.
  [[nodiscard]] boost::asio::awaitable<void> farewell(Error error);
  // The client did not wait for our answer: nothing of what it sent is kept.
  [[nodiscard]] bool sent_more();
  // The same, and what it sent is kept; a client that is gone has not waited either.
  [[nodiscard]] bool read_ahead() { return is_gone() || !pending_.empty(); }
  [[nodiscard]] bool is_gone();

  std::string id_;
  std::unique_ptr<Stream> client_;
  IpAddress peer_;
  std::string peer_text_;
  Dialogue dialogue_;
  std::string pending_;  // read, but not yet a whole command
  bool awaiting_command_ = false;
  bool draining_ = false;

 private:
  [[nodiscard]] boost::asio::awaitable<bool> secure();

  std::span<char> buffer_;
  const TimeoutConfig& timeouts_;
  // Since when the command is waited for of which a part is there.
  std::optional<std::chrono::steady_clock::time_point> waiting_since_;
  const ListenerTls& tls_;
  std::string secured_by_;  // "TLSv1.3 with cipher ..."; empty: nothing
};

}  // namespace postern::proxy
