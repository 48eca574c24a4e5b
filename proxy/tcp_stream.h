// A Stream over a TCP socket.
#pragma once

#include "proxy/deadlines.h"
#include "proxy/stream.h"

#include <boost/asio/ip/tcp.hpp>

namespace postern::proxy {

class TcpStream final : public Stream, private Deadline {
 public:
  // Takes a connected (or, for connect(), an unopened) socket of the thread whose list `deadlines`
  // is.
  TcpStream(boost::asio::ip::tcp::socket socket, Deadlines& deadlines);
  ~TcpStream() override = default;

  boost::asio::awaitable<Result<void>> wait_readable(std::chrono::milliseconds limit) override;
  boost::asio::awaitable<Result<void>> wait_writable(std::chrono::milliseconds limit) override;
  Result<std::size_t> read_now(std::span<char> into) override;
  Result<std::size_t> write_now(std::span<const std::string_view> pieces) override;
  void cancel() override;
  void close() override;

  // Errc::timeout, Errc::io with the system's text.
  boost::asio::awaitable<Result<void>> connect(boost::asio::ip::tcp::endpoint endpoint,
                                               std::chrono::milliseconds limit);

 private:
  void on_deadline() override;
  boost::asio::awaitable<Result<void>> wait(boost::asio::ip::tcp::socket::wait_type what,
                                            std::chrono::milliseconds limit);
  void prepare();

  boost::asio::ip::tcp::socket socket_;
  bool timed_out_ = false;
};

}  // namespace postern::proxy
