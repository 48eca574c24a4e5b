// A Stream of TLS over another Stream (RFC 8446, RFC 5246). OpenSSL reads from the one below and
// writes to it directly, and lets go of its buffers between records: a connection that is idle
// keeps none. All of it on the thread of the stream below.
#pragma once

#include "base/result.h"
#include "proxy/stream.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace postern::proxy {

class TlsStream final : public Stream {
 public:
  enum class Role : std::uint8_t { server, client };
  // `server_name`, of a client: the host name or address that the other side has to be, where the
  // context verifies; a host name is told to it, too (SNI, RFC 6066 section 3).
  TlsStream(std::unique_ptr<Stream> below, const std::shared_ptr<SSL_CTX>& context, Role role,
            std::string server_name = {});
  ~TlsStream() override;
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // First of all, within `limit` as a whole: a peer that trickles does not prolong it. Nothing may
  // have been read from the stream below that belongs to it. Errc::invalid: no agreement, or a
  // certificate that is not to be trusted; Errc::closed, timeout, cancelled, io. After a failure
  // there is nothing to do but close().
  [[nodiscard]] boost::asio::awaitable<Result<void>> handshake(std::chrono::milliseconds limit);

  boost::asio::awaitable<Result<void>> wait_readable(std::chrono::milliseconds limit) override;
  boost::asio::awaitable<Result<void>> wait_writable(std::chrono::milliseconds limit) override;
  // 0 also where all that came is part of a record, or nothing of the peer's words (a ticket).
  // Errc::closed alike with and without the peer's close_notify: SMTP has an end of its own, QUIT,
  // and of a record that was cut nothing is given.
  Result<std::size_t> read_now(std::span<char> into) override;
  // What is said to be taken has left for the stream below. A record that it took a part of only is
  // not: it is finished by the next call, which begins with the same octets, as many at least.
  Result<std::size_t> write_now(std::span<const std::string_view> pieces) override;

  void cancel() override { below_->cancel(); }
  void close() override;

  // After the handshake, for the log and the trace: "TLSv1.3", "TLS_AES_256_GCM_SHA384".
  [[nodiscard]] std::string_view protocol() const;
  [[nodiscard]] std::string_view cipher() const;
  [[nodiscard]] bool resumed() const;
  // What the client asked for (SNI): the peer's text where we are the server. Empty: nothing.
  [[nodiscard]] std::string server_name() const;

 private:
  struct Below;  // what OpenSSL calls
  struct Free {
    void operator()(SSL* tls) const;
  };
  void expect(const std::string& server_name);
  [[nodiscard]] std::unexpected<Error> refused_handshake();
  [[nodiscard]] std::unexpected<Error> broken();

  std::unique_ptr<Stream> below_;
  std::unique_ptr<SSL, Free> tls_;
  std::string expected_;                // the peer's name, of a client
  std::optional<Error> below_failure_;  // why OpenSSL could not go on
  std::optional<Error> failure_;        // of the connection, for good
  bool established_ = false;
  bool may_have_more_ = false;   // octets that came, and are not given yet
  bool owes_a_message_ = false;  // reading goes on once TLS's own answer has left
};

}  // namespace postern::proxy
