// Listening sockets: bound so that a port in use is noticed, then opened once for each thread
// (SO_REUSEPORT); or one descriptor that all threads accept on: a Unix socket, or one that was
// passed to us.
#pragma once

#include "base/network.h"
#include "base/result.h"
#include "proxy/deadlines.h"
#include "proxy/stream.h"

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace postern::proxy {

using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

// The address that listeners of this process shall bind: resolved, port 0 replaced by one that the
// kernel gave. Errc::busy where somebody listens there already (SO_REUSEPORT alone would share the
// port silently), Errc::io otherwise.
[[nodiscard]] Result<boost::asio::ip::tcp::endpoint> claim_address(const Endpoint& address);

// A listening socket of one thread at an address from claim_address().
[[nodiscard]] Result<Acceptor> open_acceptor(boost::asio::io_context& context,
                                             const boost::asio::ip::tcp::endpoint& address);

// For one thread, on a duplicate of a descriptor that listens already.
[[nodiscard]] Result<Acceptor> adopt_acceptor(boost::asio::io_context& context, int descriptor);

// Ends accept_clients(). A socket that others have too (other threads, systemd) stays with epoll
// when it is merely closed, and epoll would go on telling of it whoever took its place.
void close_acceptor(Acceptor& acceptor);

// Of a socket that was passed to us: where it listens.
[[nodiscard]] Result<boost::asio::ip::tcp::endpoint> passed_address(int descriptor);

// "127.0.0.1:2525", "[::1]:2525".
[[nodiscard]] std::string to_string(const boost::asio::ip::tcp::endpoint& address);

using Accepted = std::function<void(std::unique_ptr<Stream>, IpAddress)>;

// Accepts until the acceptor is closed. Out of descriptors, it waits a moment and goes on. Who
// comes by a Unix socket is on this machine: its address is ::1.
[[nodiscard]] boost::asio::awaitable<void> accept_clients(Acceptor& acceptor, Deadlines& deadlines,
                                                          Accepted accepted);

}  // namespace postern::proxy
