#include "base/passed_sockets.h"

#include <algorithm>
#include <sys/socket.h>

#include <unistd.h>

namespace postern {

PassedSockets::~PassedSockets() {
  for (const auto& [name, descriptor] : sockets_) ::close(descriptor);
}

void PassedSockets::add(std::string name, int descriptor) {
  sockets_.emplace_back(std::move(name), descriptor);
}

std::vector<int> PassedSockets::take(std::string_view name) {
  std::vector<int> taken;
  std::erase_if(sockets_, [&](const auto& socket) {
    if (socket.first != name) return false;
    taken.push_back(socket.second);
    return true;
  });
  return taken;
}

std::vector<std::string> PassedSockets::names() const {
  std::vector<std::string> names;
  for (const auto& [name, descriptor] : sockets_) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

Result<int> listening_family(int descriptor) {
  const auto option = [&](int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
  };
  const int family = option(SO_DOMAIN);
  if (family == -1) return fail(Errc::invalid, "is no socket");
  if (option(SO_TYPE) != SOCK_STREAM || (family != AF_INET && family != AF_INET6)) {
    return fail(Errc::invalid, "is no TCP socket: ListenStream=ADDRESS:PORT makes one");
  }
  if (option(SO_ACCEPTCONN) != 1) {
    return fail(Errc::invalid, "does not listen: systemd has to leave that to us (Accept=no)");
  }
  return family;
}

}  // namespace postern
