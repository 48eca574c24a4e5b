// One connection to the upstream: greeting, EHLO, batches of commands with their replies in order,
// octets of a message. RFC 5321, RFC 2920. What the replies mean for the client is Dialogue's
// question.
#pragma once

#include "base/config.h"
#include "base/result.h"
#include "proxy/capabilities.h"
#include "proxy/dialogue.h"
#include "proxy/stream.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postern::proxy {

class Upstream {
 public:
  Upstream(std::unique_ptr<Stream> stream, const TimeoutConfig& timeouts)
      : stream_(std::move(stream)), timeouts_(timeouts) {}

  // Reads the greeting and says EHLO. Errc::closed, timeout, cancelled, io; Errc::invalid for a
  // refusal or nonsense.
  [[nodiscard]] boost::asio::awaitable<Result<void>> open(std::string hostname);

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
  [[nodiscard]] std::chrono::milliseconds limit_of(const Plan::Forward& forward) const;
  [[nodiscard]] boost::asio::awaitable<Result<void>> say(std::string_view commands);
  [[nodiscard]] static Answers lost(Answers answers, const Error& error);

  std::unique_ptr<Stream> stream_;
  TimeoutConfig timeouts_;
  Capabilities capabilities_;
  std::string input_;  // read, not yet parsed
  bool needs_reset_ = false;
};

}  // namespace postern::proxy
