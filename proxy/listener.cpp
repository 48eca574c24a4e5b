#include "proxy/listener.h"

#include "base/log.h"
#include "base/passed_sockets.h"
#include "proxy/socket_stream.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace postern::proxy {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr int backlog = 4096;

// Asio has no public option for it.
class ReusePort {
 public:
  template <class Protocol>
  int level(const Protocol& /*protocol*/) const {
    return SOL_SOCKET;
  }
  template <class Protocol>
  int name(const Protocol& /*protocol*/) const {
    return SO_REUSEPORT;
  }
  template <class Protocol>
  const void* data(const Protocol& /*protocol*/) const {
    return &on_;
  }
  template <class Protocol>
  std::size_t size(const Protocol& /*protocol*/) const {
    return sizeof on_;
  }

 private:
  int on_ = 1;
};

error_code bind_and_listen(tcp::acceptor& acceptor, const tcp::endpoint& address, bool shared) {
  error_code error;
  acceptor.open(address.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && address.address().is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  if (!error && shared) acceptor.set_option(ReusePort{}, error);
  if (!error) acceptor.bind(address, error);
  if (!error) acceptor.listen(backlog, error);
  return error;
}

IpAddress peer_address(const Acceptor::endpoint_type& endpoint) {
  IpAddress ip;
  if (endpoint.protocol().family() == AF_INET) {
    const auto* peer = reinterpret_cast<const sockaddr_in*>(endpoint.data());
    ip.octets[10] = ip.octets[11] = 0xff;
    std::memcpy(&ip.octets[12], &peer->sin_addr, 4);
  } else if (endpoint.protocol().family() == AF_INET6) {
    const auto* peer = reinterpret_cast<const sockaddr_in6*>(endpoint.data());
    std::memcpy(ip.octets.data(), &peer->sin6_addr, ip.octets.size());
  } else {
    ip.octets.back() = 1;
  }
  return ip;
}

}  // namespace

std::string to_string(const tcp::endpoint& address) {
  return to_string(Endpoint{address.address().to_string(), address.port()});
}

Result<tcp::endpoint> claim_address(const Endpoint& address) {
  asio::io_context context;
  error_code error;
  tcp::resolver resolver(context);
  const auto found =
      resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return fail(Errc::io,
                fmt::format("cannot listen on {}: {}", to_string(address), error.message()));
  }
  tcp::acceptor probe(context);
  error = bind_and_listen(probe, found.begin()->endpoint(), false);
  if (error == asio::error::address_in_use) {
    return fail(
        Errc::busy,
        fmt::format("cannot listen on {}: another program does (ss -ltnp shows which); stop it, or "
                    "choose another address",
                    to_string(address)));
  }
  if (error)
    return fail(Errc::io,
                fmt::format("cannot listen on {}: {}", to_string(address), error.message()));
  return probe.local_endpoint();
}

Result<Acceptor> open_acceptor(asio::io_context& context, const tcp::endpoint& address) {
  tcp::acceptor acceptor(context);
  if (const auto error = bind_and_listen(acceptor, address, true)) {
    return fail(Errc::io,
                fmt::format("cannot listen on {}: {}", to_string(address), error.message()));
  }
  return Acceptor(std::move(acceptor));
}

Result<tcp::endpoint> passed_address(int descriptor) {
  if (auto family = listening_family(descriptor); !family) return std::unexpected(family.error());
  tcp::endpoint address;
  auto size = static_cast<socklen_t>(address.capacity());
  if (::getsockname(descriptor, address.data(), &size) != 0) {
    return fail(Errc::io, fmt::format("cannot learn where a passed socket listens: {}",
                                      std::system_category().message(errno)));
  }
  address.resize(size);
  return address;
}

Result<Acceptor> adopt_acceptor(asio::io_context& context, int descriptor) {
  int family = 0;
  socklen_t size = sizeof family;
  int ours = -1;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0) {
    ours = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  }
  error_code error(ours < 0 ? errno : 0, boost::system::system_category());
  Acceptor acceptor(context);
  if (!error) acceptor.assign({family, 0}, ours, error);
  if (!error) return acceptor;
  if (ours >= 0) ::close(ours);
  return fail(Errc::io, fmt::format("cannot listen on a socket that is open: {}", error.message()));
}

void close_acceptor(Acceptor& acceptor) {
  if (!acceptor.is_open()) return;
  error_code error;
  const int descriptor = acceptor.release(error);
  if (!error) {
    ::close(descriptor);
  } else {
    acceptor.close(error);
  }
}

asio::awaitable<void> accept_clients(Acceptor& acceptor, Deadlines& deadlines, Accepted accepted) {
  constexpr auto as_values = asio::as_tuple(asio::use_awaitable);
  const auto executor = co_await asio::this_coro::executor;
  while (acceptor.is_open()) {
    Acceptor::endpoint_type peer;
    auto [error, socket] = co_await acceptor.async_accept(peer, as_values);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      log::warning(fmt::format("accept: {}", error.message()));
      asio::steady_timer pause(executor, std::chrono::milliseconds(200));
      co_await pause.async_wait(as_values);
      continue;
    }
    accepted(std::make_unique<SocketStream>(std::move(socket), deadlines), peer_address(peer));
  }
}

}  // namespace postern::proxy
