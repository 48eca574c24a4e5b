#include "proxy/stream.h"

namespace postern::proxy {

boost::asio::awaitable<Result<void>> write_all(Stream& stream, std::string_view octets,
                                               std::chrono::milliseconds limit) {
  while (!octets.empty()) {
    const auto written = stream.write_now({&octets, 1});
    if (!written) co_return std::unexpected(written.error());
    octets.remove_prefix(*written);
    if (octets.empty()) break;
    auto ready = co_await stream.wait_writable(limit);
    if (!ready) co_return ready;
  }
  co_return Result<void>{};
}

}  // namespace postern::proxy
