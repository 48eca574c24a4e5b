// One connection to the upstream: greeting, EHLO, batches of commands with their replies in order,
// octets of a message. RFC 5321, RFC 2920. What the replies mean for the client is Dialogue's
// question.
#pragma once

#include "base/config.h"
#include "base/result.h"
#include "proxy/capabilities.h"
#include "proxy/dialogue.h"
#include "proxy/stream.h"
#include "proxy/wire/client_attributes.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using SSL_CTX = struct ssl_ctx_st;

namespace postern::proxy {

// How an upstream is spoken to.
struct UpstreamSettings {
  std::string hostname{};  // ours, in EHLO
  UpstreamConfig::Tls tls = UpstreamConfig::Tls::off;
  UpstreamConfig::TlsMode tls_mode = UpstreamConfig::TlsMode::starttls;
  std::shared_ptr<SSL_CTX> context{};  // null without TLS; it verifies where `tls` says so
  std::string server_name{};           // that its certificate has to be for
};

class Upstream {
 public:
  Upstream(std::unique_ptr<Stream> stream, const TimeoutConfig& timeouts)
      : stream_(std::move(stream)), timeouts_(timeouts) {}

  // Reads the greeting, says EHLO and begins TLS as it was told to (RFC 3207). Errc::closed,
  // timeout, cancelled, io; Errc::invalid for a refusal, nonsense, no TLS where it has to be, or a
  // certificate that is not to be trusted. After a failure the connection must be closed: it is
  // never gone on with in clear.
  [[nodiscard]] boost::asio::awaitable<Result<void>> open(UpstreamSettings settings);

  // Tells who the client is (XCLIENT) and says EHLO in its name, unless the last that it was told
  // of is the same. Outside of a transaction. Errc::unsupported where it does not offer to listen:
  // then nothing was said. After another failure the connection must be closed.
  [[nodiscard]] boost::asio::awaitable<Result<void>> identify(const wire::ClientFacts& client);

  // One command and its reply; of an exchange that is not logged, AUTH.
  [[nodiscard]] boost::asio::awaitable<Result<wire::Reply>> ask_one(
      std::string line, std::chrono::milliseconds limit);

  // Sends the plan's octets (behind a RSET where a transaction was left open) and reads the
  // replies: in one write where the upstream offers PIPELINING, otherwise a command at a time.
  // `plan` is kept alive by the caller. After a failure the connection must be closed.
  [[nodiscard]] boost::asio::awaitable<Answers> ask(const Plan& plan);

  // Octets of a message, dot-stuffed; `pieces` are kept alive by the caller, or may be a thread's
  // shared buffer: what is not taken at once is copied.
  [[nodiscard]] boost::asio::awaitable<Result<void>> send(std::span<const std::string_view> pieces);
  // The reply to the final dot. Errc::invalid where the upstream spoke before it was asked.
  [[nodiscard]] boost::asio::awaitable<Result<wire::Reply>> finish();

  // Nothing has arrived that nobody asked for, and the other side is there: looked at before a
  // message's end goes out, and before a connection is used again.
  [[nodiscard]] bool quiet();
  // What it said before the end of data, where that is one whole refusal: it will not take this
  // message, and often hangs up then. Anything else that comes early answers nothing.
  [[nodiscard]] std::optional<wire::Reply> early_refusal();

  [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }
  // What it offered to the gate itself, before it was told of any client.
  [[nodiscard]] const Capabilities& opened_with() const { return opened_with_; }
  // Nobody listens.
  [[nodiscard]] bool secure() const { return secure_; }
  // A transaction was left open: RSET goes in front of the next batch.
  void leave_open() { needs_reset_ = true; }
  // The wish to leave, and the end; nothing is waited for.
  void quit();
  // Without a word: a message that was cut short must not look ended.
  void close() { stream_->close(); }
  void cancel() { stream_->cancel(); }

 private:
  [[nodiscard]] boost::asio::awaitable<Result<wire::Reply>> read_reply(
      std::chrono::milliseconds limit);
  // The next one, where all of it is here. Errc::invalid where it is none.
  [[nodiscard]] Result<std::optional<wire::Reply>> take_reply();
  [[nodiscard]] boost::asio::awaitable<Result<void>> agree(UpstreamSettings settings);
  [[nodiscard]] boost::asio::awaitable<Result<void>> greet();
  [[nodiscard]] boost::asio::awaitable<Result<void>> hello(const std::string& hostname);
  [[nodiscard]] boost::asio::awaitable<Result<void>> start_tls(const UpstreamSettings& settings);
  [[nodiscard]] boost::asio::awaitable<Result<void>> secure_with(const UpstreamSettings& settings);
  [[nodiscard]] std::chrono::milliseconds limit_of(const Plan::Forward& forward) const;
  [[nodiscard]] boost::asio::awaitable<Result<void>> say(std::string_view commands);
  [[nodiscard]] boost::asio::awaitable<Result<void>> reset();
  [[nodiscard]] boost::asio::awaitable<Result<void>> tell_forwarded(
      const wire::ClientAttributes& attributes);
  [[nodiscard]] static Answers lost(Answers answers, const Error& error);

  std::unique_ptr<Stream> stream_;
  TimeoutConfig timeouts_;
  Capabilities capabilities_;
  Capabilities opened_with_;
  std::string input_;                 // read, not yet parsed
  std::vector<std::string> told_of_;  // the lines of XCLIENT that it was told last
  bool needs_reset_ = false;
  bool secure_ = false;
};

}  // namespace postern::proxy
