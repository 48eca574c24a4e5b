#include "proxy/socket_stream.h"

#include <array>
#include <cerrno>
#include <sys/socket.h>
#include <sys/uio.h>
#include <system_error>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postern::proxy {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto as_values = asio::as_tuple(asio::use_awaitable);

std::unexpected<Error> system_failure(int error) {
  const bool gone =
      error == ECONNRESET || error == EPIPE || error == ENOTCONN || error == ESHUTDOWN;
  return fail(gone ? Errc::closed : Errc::io, std::generic_category().message(error));
}

}  // namespace

SocketStream::SocketStream(Socket socket, Deadlines& deadlines)
    : Deadline(deadlines), socket_(std::move(socket)) {
  if (socket_.is_open()) prepare();
}

void SocketStream::prepare() {
  error_code ignored;  // both only make things slower where they fail, as the first does on Unix
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

void SocketStream::on_deadline() {
  timed_out_ = true;
  cancel();
}

asio::awaitable<Result<void>> SocketStream::wait(Socket::wait_type what,
                                                 std::chrono::milliseconds limit) {
  timed_out_ = false;
  arm(limit);
  const auto [error] = co_await socket_.async_wait(what, as_values);
  disarm();
  if (!error) co_return Result<void>{};
  if (timed_out_) co_return fail(Errc::timeout, "timed out");
  if (error == asio::error::operation_aborted) co_return fail(Errc::cancelled, "cancelled");
  co_return system_failure(error.value());
}

asio::awaitable<Result<void>> SocketStream::wait_readable(std::chrono::milliseconds limit) {
  return wait(Socket::wait_read, limit);
}

asio::awaitable<Result<void>> SocketStream::wait_writable(std::chrono::milliseconds limit) {
  return wait(Socket::wait_write, limit);
}

Result<std::size_t> SocketStream::read_now(std::span<char> into) {
  for (;;) {
    const ssize_t got = ::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0) return fail(Errc::closed, "the connection was closed");
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    return system_failure(errno);
  }
}

Result<std::size_t> SocketStream::write_now(std::span<const std::string_view> pieces) {
  std::array<iovec, 4> vectors{};
  std::size_t used = 0;
  for (const auto piece : pieces.first(std::min(pieces.size(), vectors.size()))) {
    if (!piece.empty()) vectors[used++] = {const_cast<char*>(piece.data()), piece.size()};
  }
  if (used == 0) return 0;
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = used;
  for (;;) {
    const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    return system_failure(errno);
  }
}

void SocketStream::cancel() {
  error_code ignored;
  socket_.cancel(ignored);
}

void SocketStream::close() {
  error_code ignored;
  socket_.close(ignored);
}

asio::awaitable<Result<void>> SocketStream::connect(Socket::endpoint_type endpoint,
                                                    std::chrono::milliseconds limit) {
  timed_out_ = false;
  arm(limit);
  const auto [error] = co_await socket_.async_connect(endpoint, as_values);
  disarm();
  if (timed_out_) co_return fail(Errc::timeout, "no connection in time");
  if (error) co_return fail(Errc::io, error.message());
  prepare();
  co_return Result<void>{};
}

}  // namespace postern::proxy
