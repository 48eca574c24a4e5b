// A Stream over a TCP or a Unix socket.
#pragma once

#include "proxy/deadlines.h"
#include "proxy/stream.h"

#include <boost/asio/generic/stream_protocol.hpp>

namespace postern::proxy {

class SocketStream final : public Stream, private Deadline {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  // Takes a connected (or, for connect(), an unopened) socket of the thread whose list `deadlines`
  // is.
  SocketStream(Socket socket, Deadlines& deadlines);
  ~SocketStream() override = default;

  boost::asio::awaitable<Result<void>> wait_readable(std::chrono::milliseconds limit) override;
  boost::asio::awaitable<Result<void>> wait_writable(std::chrono::milliseconds limit) override;
  Result<std::size_t> read_now(std::span<char> into) override;
  Result<std::size_t> write_now(std::span<const std::string_view> pieces) override;
  void cancel() override;
  void close() override;

  // Errc::timeout, Errc::io with the system's text.
  boost::asio::awaitable<Result<void>> connect(Socket::endpoint_type endpoint,
                                               std::chrono::milliseconds limit);

 private:
  void on_deadline() override;
  boost::asio::awaitable<Result<void>> wait(Socket::wait_type what,
                                            std::chrono::milliseconds limit);
  void prepare();

  Socket socket_;
  bool timed_out_ = false;
};

}  // namespace postern::proxy
