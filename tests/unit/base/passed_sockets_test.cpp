#include "base/passed_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <doctest/doctest.h>
#include <unistd.h>

using namespace postern;

namespace {

int tcp_socket() { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }
bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) != -1; }

}  // namespace

TEST_CASE("passed sockets are taken by their name, and what nobody takes is closed") {
  const int relay = tcp_socket();
  const int web = tcp_socket();
  const int relay_too = tcp_socket();
  {
    PassedSockets passed;
    passed.add("relay", relay);
    passed.add("web", web);
    passed.add("relay", relay_too);
    CHECK(passed.take("relay") == std::vector{relay, relay_too});
    CHECK(passed.take("relay").empty());
    CHECK(passed.names() == std::vector<std::string>{"web"});
    const PassedSockets moved = std::move(passed);
    CHECK(is_open(web));
  }
  CHECK_FALSE(is_open(web));
  CHECK(is_open(relay));
  ::close(relay);
  ::close(relay_too);
}

TEST_CASE("what is no TCP socket that listens is refused") {
  const int silent = tcp_socket();
  CHECK(listening_family(silent).error().text.starts_with("does not listen"));
  REQUIRE(::listen(silent, 1) == 0);
  CHECK(listening_family(silent) == AF_INET);
  ::close(silent);

  const int datagrams = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK(listening_family(datagrams).error().text.starts_with("is no TCP socket"));
  ::close(datagrams);
  CHECK(listening_family(datagrams).error().text == "is no socket");
}
