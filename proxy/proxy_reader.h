// The header of the PROXY protocol in front of a connection: read to its last octet and no further,
// so that TLS or the dialogue begins behind it.
#pragma once

#include "base/network.h"
#include "proxy/stream.h"

#include <chrono>

namespace postern::proxy {

// Whom `peer` speaks for: the client that its header names, or itself where that names none (its
// own health checks). Nothing is written. Errc::invalid where it sends no header, or a malformed
// one; Errc::timeout where the whole of it does not come within `limit`; Errc::closed where the
// peer leaves before; all with a text.
[[nodiscard]] boost::asio::awaitable<Result<IpAddress>> read_proxy_header(
    Stream& stream, IpAddress peer, std::chrono::milliseconds limit);

}  // namespace postern::proxy
