// Listening sockets that were open before we began (socket activation), by their names. Nothing is
// opened here, and what nobody takes is closed.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern {

class PassedSockets {
 public:
  PassedSockets() = default;
  ~PassedSockets();
  PassedSockets(PassedSockets&& other) noexcept : sockets_(std::exchange(other.sockets_, {})) {}
  PassedSockets(const PassedSockets&) = delete;
  PassedSockets& operator=(const PassedSockets&) = delete;

  // The descriptor is ours from now on.
  void add(std::string name, int descriptor);
  // All of that name, in the order in which they were added (a name may stand for an IPv4 and an
  // IPv6 address); the caller's from now on. Empty: none was passed.
  [[nodiscard]] std::vector<int> take(std::string_view name);
  // Of those that nobody took.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::vector<std::pair<std::string, int>> sockets_;
};

// AF_INET or AF_INET6, of a TCP socket that listens; Errc::invalid for any other descriptor, and
// the text says what it is.
[[nodiscard]] Result<int> listening_family(int descriptor);

}  // namespace postern
