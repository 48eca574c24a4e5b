// One stream of octets, over TCP or memory: wait, then read or write what is possible now. No
// buffer is ever handed to an operation that completes later, so that a thread's sessions can share
// one read buffer.
#pragma once

#include "base/result.h"

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>

#include <boost/asio/awaitable.hpp>

namespace postern::proxy {

class Stream {
 public:
  virtual ~Stream() = default;

  // Until octets (or the end) can be read, or room is there to write. Errc::timeout after `limit`,
  // Errc::cancelled after cancel(), Errc::closed or Errc::io otherwise.
  [[nodiscard]] virtual boost::asio::awaitable<Result<void>> wait_readable(
      std::chrono::milliseconds limit) = 0;
  [[nodiscard]] virtual boost::asio::awaitable<Result<void>> wait_writable(
      std::chrono::milliseconds limit) = 0;

  // What is there now, at most into.size() octets; 0 when nothing is (wait again). Errc::closed at
  // the end.
  [[nodiscard]] virtual Result<std::size_t> read_now(std::span<char> into) = 0;
  // As much of the pieces, in order, as is taken now; maybe 0.
  [[nodiscard]] virtual Result<std::size_t> write_now(std::span<const std::string_view> pieces) = 0;

  // Ends a wait that is under way with Errc::cancelled; without one it does nothing.
  virtual void cancel() = 0;
  virtual void close() = 0;
};

// All of `octets`, which the caller keeps alive. `limit` is for each wait, so that a peer that
// reads on is never cut.
[[nodiscard]] boost::asio::awaitable<Result<void>> write_all(Stream& stream,
                                                             std::string_view octets,
                                                             std::chrono::milliseconds limit);

}  // namespace postern::proxy
