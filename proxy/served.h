// A client's connection as its thread knows it, whatever is spoken on it.
#pragma once

#include <boost/asio/awaitable.hpp>

namespace postern::proxy {

class Served {
 public:
  Served() = default;
  virtual ~Served() = default;
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  // Until the client leaves, a deadline passes or the session is drained.
  [[nodiscard]] virtual boost::asio::awaitable<void> run() = 0;
  // Shutting down: nothing new is begun.
  virtual void drain() = 0;
};

}  // namespace postern::proxy
