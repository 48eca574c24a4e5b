// The file of a Unix socket: whose it is, what it takes the place of, when it goes.
#include "proxy/unix_socket.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <doctest/doctest.h>
#include <unistd.h>

using namespace postern;
using proxy::UnixSocket;
namespace fs = std::filesystem;

namespace {

struct Directory {
  Directory() {
    std::array<char, 32> name{"/tmp/postern-unix-XXXXXX"};
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name.data();
  }
  ~Directory() { fs::remove_all(path); }
  fs::path path;
};

bool connects(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const bool done =
      ::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(client);
  return done;
}

// As a gate that was killed leaves it.
void leave_behind(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const int server = ::socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(::bind(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ::close(server);
}

}  // namespace

TEST_CASE("a Unix socket is its owner's and its directory's group's, and goes at the end") {
  const Directory directory;
  const auto path = directory.path / "policy.sock";
  {
    const auto socket = UnixSocket::listen(path);
    REQUIRE(socket.has_value());
    struct stat made{};
    struct stat around{};
    REQUIRE(::stat(path.c_str(), &made) == 0);
    REQUIRE(::stat(directory.path.c_str(), &around) == 0);
    CHECK((made.st_mode & 07777U) == 0660U);
    CHECK(made.st_gid == around.st_gid);
    CHECK(connects(path));
  }
  CHECK(!fs::exists(path));
}

TEST_CASE("handed over, nobody listens once the duplicates are closed, and the file still goes") {
  const Directory directory;
  const auto path = directory.path / "policy.sock";
  {
    auto socket = UnixSocket::listen(path);
    REQUIRE(socket.has_value());
    const int duplicate = ::dup(socket->descriptor());
    socket->hand_over();
    CHECK(connects(path));
    ::close(duplicate);
    CHECK(!connects(path));
  }
  CHECK(!fs::exists(path));
}

TEST_CASE("what stands at the path already") {
  const Directory directory;
  const auto path = directory.path / "policy.sock";
  SUBCASE("a crash left it: replaced") {
    leave_behind(path);
    const auto socket = UnixSocket::listen(path);
    REQUIRE(socket.has_value());
    CHECK(connects(path));
  }
  SUBCASE("somebody listens: busy, and that one stays") {
    const auto first = UnixSocket::listen(path);
    REQUIRE(first.has_value());
    const auto second = UnixSocket::listen(path);
    REQUIRE(!second.has_value());
    CHECK(second.error().code == Errc::busy);
    CHECK(second.error().text.contains(path.string()));
    CHECK(connects(path));
  }
  SUBCASE("a file is never removed") {
    std::ofstream(path) << "mine";
    const auto socket = UnixSocket::listen(path);
    REQUIRE(!socket.has_value());
    CHECK(socket.error().code == Errc::exists);
    CHECK(fs::file_size(path) == 4);
  }
}

TEST_CASE("the file of a gate that came after is left alone") {
  const Directory directory;
  const auto path = directory.path / "policy.sock";
  std::optional<UnixSocket> ending;
  ending.emplace(UnixSocket::listen(path).value());
  ending->hand_over();
  const auto next = UnixSocket::listen(path);
  REQUIRE(next.has_value());
  ending.reset();
  CHECK(connects(path));
}

TEST_CASE("no directory: why, with the path") {
  const auto socket = UnixSocket::listen("/nowhere/at/all/policy.sock");
  REQUIRE(!socket.has_value());
  CHECK(socket.error().code == Errc::io);
  CHECK(socket.error().text.contains("/nowhere/at/all/policy.sock"));
}
