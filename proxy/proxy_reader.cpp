#include "proxy/proxy_reader.h"

#include "proxy/wire/proxy_header.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace postern::proxy {

using boost::asio::awaitable;
using Clock = std::chrono::steady_clock;

awaitable<Result<IpAddress>> read_proxy_header(Stream& stream, IpAddress peer,
                                               std::chrono::milliseconds limit) {
  const auto end = Clock::now() + limit;
  wire::ProxyHeader header;
  std::array<char, 256> buffer{};
  while (header.wanted() > 0) {
    const auto got =
        stream.read_now(std::span(buffer).first(std::min(header.wanted(), buffer.size())));
    if (!got) co_return std::unexpected(got.error());
    header.take({buffer.data(), *got});
    if (*got > 0) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) co_return fail(Errc::timeout, "timed out");
    if (const auto ready = co_await stream.wait_readable(left); !ready) {
      co_return std::unexpected(ready.error());
    }
  }
  if (!header.fault().empty()) co_return fail(Errc::invalid, std::string(header.fault()));
  co_return header.client().value_or(peer);
}

}  // namespace postern::proxy
