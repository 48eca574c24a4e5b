// Waits on the session's thread for what another thread answers, within a deadline.
#pragma once

#include "base/result.h"

#include <chrono>
#include <functional>

#include <boost/asio/awaitable.hpp>

namespace postern::proxy {

using Answer = std::function<void(Result<void>)>;

// `ask` is called at once, with what is to be called once, on any thread; that may come late, or
// when nobody waits any more. Errc::timeout after `limit`.
[[nodiscard]] boost::asio::awaitable<Result<void>> answered(std::function<void(Answer)> ask,
                                                            std::chrono::milliseconds limit);

}  // namespace postern::proxy
