#include "proxy/tls_stream.h"

#include "certs/openssl.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace postern::proxy {

using boost::asio::awaitable;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t longest_record = SSL3_RT_MAX_PLAIN_LENGTH;

// What is left of a list of pieces, taken record by record.
class Rest {
 public:
  explicit Rest(std::span<const std::string_view> pieces) : pieces_(pieces) { pass_empty(); }

  // The next octets, gathered into `room` where they are in several pieces; empty at the end.
  std::string_view next(std::span<char, longest_record> room) const {
    if (pieces_.empty()) return {};
    const auto first = pieces_.front().substr(done_);
    if (first.size() >= room.size() || pieces_.size() == 1) return first.substr(0, room.size());
    std::size_t used = first.copy(room.data(), room.size());
    for (const auto piece : pieces_.subspan(1)) {
      used += piece.copy(room.data() + used, room.size() - used);
      if (used == room.size()) break;
    }
    return {room.data(), used};
  }
  void pass(std::size_t octets) {
    while (octets > 0) {
      const auto step = std::min(octets, pieces_.front().size() - done_);
      octets -= step;
      done_ += step;
      pass_empty();
    }
  }

 private:
  void pass_empty() {
    while (!pieces_.empty() && done_ == pieces_.front().size()) {
      pieces_ = pieces_.subspan(1);
      done_ = 0;
    }
  }
  std::span<const std::string_view> pieces_;
  std::size_t done_ = 0;  // of the first piece
};

}  // namespace

// The stream below as OpenSSL's source and sink.
struct TlsStream::Below {
  static int read(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    auto& self = *static_cast<TlsStream*>(BIO_get_data(bio));
    const auto got = self.below_->read_now({into, static_cast<std::size_t>(size)});
    return settle(self, got, [bio] { BIO_set_retry_read(bio); });
  }
  static int write(BIO* bio, const char* from, int size) {
    BIO_clear_retry_flags(bio);
    auto& self = *static_cast<TlsStream*>(BIO_get_data(bio));
    const std::string_view octets(from, static_cast<std::size_t>(size));
    const auto sent = self.below_->write_now({&octets, 1});
    return settle(self, sent, [bio] { BIO_set_retry_write(bio); });
  }
  static long control(BIO* /*bio*/, int what, long /*number*/, void* /*data*/) {
    return what == BIO_CTRL_FLUSH ? 1 : 0;
  }
  template <class Later>
  static int settle(TlsStream& self, const Result<std::size_t>& moved, Later later) {
    if (!moved) {
      self.below_failure_ = moved.error();
      // What OpenSSL looks at to forgive a client that did not wait for its ticket.
      errno = moved.error().code == Errc::closed ? EPIPE : EIO;
      return -1;
    }
    if (*moved > 0) return static_cast<int>(*moved);
    later();
    return -1;
  }
  static BIO* make(TlsStream& self) {
    struct Method {
      BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
      Method() {
        BIO_meth_set_read(method, read);
        BIO_meth_set_write(method, write);
        BIO_meth_set_ctrl(method, control);
      }
      ~Method() { BIO_meth_free(method); }
      Method(const Method&) = delete;
      Method& operator=(const Method&) = delete;
    };
    static const Method method;
    BIO* const bio = BIO_new(method.method);
    BIO_set_data(bio, &self);
    BIO_set_init(bio, 1);
    return bio;
  }
};

void TlsStream::Free::operator()(SSL* tls) const { SSL_free(tls); }

TlsStream::TlsStream(std::unique_ptr<Stream> below, const std::shared_ptr<SSL_CTX>& context,
                     Role role, std::string server_name)
    : below_(std::move(below)), tls_(SSL_new(context.get())) {
  SSL* const tls = tls_.get();
  BIO* const bio = Below::make(*this);
  SSL_set_bio(tls, bio, bio);
  SSL_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                        SSL_MODE_RELEASE_BUFFERS);
  // One read for a record, and not one for its head and one for its body.
  SSL_set_read_ahead(tls, 1);
  if (role == Role::server) {
    SSL_set_accept_state(tls);
  } else {
    SSL_set_connect_state(tls);
    if (server_name.ends_with('.')) server_name.pop_back();
    expect(server_name);
  }
}

TlsStream::~TlsStream() { TlsStream::close(); }

void TlsStream::expect(const std::string& server_name) {
  expected_ = server_name;
  if (server_name.empty()) return;
  X509_VERIFY_PARAM* const checks = SSL_get0_param(tls_.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(checks, server_name.c_str()) == 1) return;
  SSL_set_hostflags(tls_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_set1_host(tls_.get(), server_name.c_str());
  SSL_set_tlsext_host_name(tls_.get(), server_name.c_str());
}

awaitable<Result<void>> TlsStream::handshake(std::chrono::milliseconds limit) {
  const auto until = Clock::now() + limit;
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(tls_.get());
    if (done == 1) break;
    const int why = SSL_get_error(tls_.get(), done);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) co_return refused_handshake();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    Result<void> ready = fail(Errc::timeout, "");
    if (left.count() > 0) {
      ready = why == SSL_ERROR_WANT_READ ? co_await below_->wait_readable(left)
                                         : co_await below_->wait_writable(left);
    }
    if (ready) continue;
    failure_ = std::move(ready).error();
    if (failure_->code == Errc::timeout) failure_->text = "no TLS handshake in time";
    co_return std::unexpected(*failure_);
  }
  established_ = true;
  below_failure_.reset();
  may_have_more_ = SSL_has_pending(tls_.get()) == 1;
  co_return Result<void>{};
}

std::unexpected<Error> TlsStream::refused_handshake() {
  const auto verified = SSL_get_verify_result(tls_.get());
  if (below_failure_) {
    failure_ = std::move(below_failure_);
    if (failure_->code == Errc::closed) failure_->text = "hung up during the TLS handshake";
    ERR_clear_error();
  } else if (verified == X509_V_ERR_HOSTNAME_MISMATCH ||
             verified == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    failure_ = {Errc::invalid, fmt::format("its certificate is not for {}", expected_)};
    ERR_clear_error();
  } else if (verified != X509_V_OK && SSL_get_verify_mode(tls_.get()) != SSL_VERIFY_NONE) {
    failure_ = {Errc::invalid, fmt::format("its certificate is not trusted: {}",
                                           X509_verify_cert_error_string(verified))};
    ERR_clear_error();
  } else {
    failure_ = {Errc::invalid, "no TLS handshake: " + certs::openssl_reason("a protocol error")};
  }
  return std::unexpected(*failure_);
}

std::unexpected<Error> TlsStream::broken() {
  if (below_failure_) {
    failure_ = std::move(below_failure_);
    ERR_clear_error();
  } else {
    failure_ = {Errc::io, "TLS: " + certs::openssl_reason("a protocol error")};
  }
  return std::unexpected(*failure_);
}

awaitable<Result<void>> TlsStream::wait_readable(std::chrono::milliseconds limit) {
  if (may_have_more_ || failure_) co_return Result<void>{};
  co_return owes_a_message_ ? co_await below_->wait_writable(limit)
                            : co_await below_->wait_readable(limit);
}

awaitable<Result<void>> TlsStream::wait_writable(std::chrono::milliseconds limit) {
  return below_->wait_writable(limit);
}

Result<std::size_t> TlsStream::read_now(std::span<char> into) {
  if (failure_) return std::unexpected(*failure_);
  std::size_t total = 0;
  while (total < into.size()) {
    std::size_t got = 0;
    ERR_clear_error();
    const int done = SSL_read_ex(tls_.get(), into.data() + total, into.size() - total, &got);
    total += got;
    if (done == 1) continue;
    const int why = SSL_get_error(tls_.get(), done);
    owes_a_message_ = why == SSL_ERROR_WANT_WRITE;
    may_have_more_ = false;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return total;
    const auto failed =
        why == SSL_ERROR_ZERO_RETURN ? fail(Errc::closed, "the connection was closed") : broken();
    // What came before it is good, and the end is told of next.
    may_have_more_ = true;
    if (total > 0) return total;
    return failed;
  }
  may_have_more_ = SSL_has_pending(tls_.get()) == 1;
  return total;
}

Result<std::size_t> TlsStream::write_now(std::span<const std::string_view> pieces) {
  if (failure_) return std::unexpected(*failure_);
  std::array<char, longest_record> room;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled
  std::size_t taken = 0;
  for (Rest rest(pieces);;) {
    const auto record = rest.next(room);
    if (record.empty()) return taken;
    std::size_t written = 0;
    ERR_clear_error();
    const int done = SSL_write_ex(tls_.get(), record.data(), record.size(), &written);
    if (done != 1) {
      const int why = SSL_get_error(tls_.get(), done);
      if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return taken;
      if (!below_failure_) return broken();
      // What the other side said before it stopped listening can still be read.
      return std::unexpected(*std::exchange(below_failure_, std::nullopt));
    }
    taken += written;
    rest.pass(written);
  }
}

void TlsStream::close() {
  if (established_ && !failure_) {
    ERR_clear_error();
    // Best effort: nobody waits for it.
    static_cast<void>(SSL_shutdown(tls_.get()));
    ERR_clear_error();
  }
  failure_ = failure_.value_or(Error{Errc::closed, "closed"});
  below_->close();
}

std::string_view TlsStream::protocol() const { return SSL_get_version(tls_.get()); }

std::string_view TlsStream::cipher() const { return SSL_get_cipher_name(tls_.get()); }

bool TlsStream::resumed() const { return SSL_session_reused(tls_.get()) == 1; }

std::string TlsStream::server_name() const {
  const char* const name = SSL_get_servername(tls_.get(), TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : std::string();
}

}  // namespace postern::proxy
