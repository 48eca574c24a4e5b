// The addresses behind an upstream's name, within a deadline. getaddrinfo() cannot be called off,
// so it runs on a thread that is left alone when it takes too long: neither a client nor the end of
// the program waits for it.
#pragma once

#include "base/network.h"
#include "base/result.h"
#include "proxy/deadlines.h"

#include <chrono>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace postern::proxy {

// A numeric host is itself at once. Errc::timeout, Errc::io with the resolver's text.
[[nodiscard]] boost::asio::awaitable<Result<std::vector<boost::asio::ip::tcp::endpoint>>> resolve(
    Endpoint endpoint, Deadlines& deadlines, std::chrono::milliseconds limit);

}  // namespace postern::proxy
