#include "cli/service_manager.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>

#include <doctest/doctest.h>
#include <unistd.h>

using namespace postern;
using namespace std::chrono_literals;
using Clock = cli::ServiceManager::Clock;

namespace {

// What systemd would be: takes what it is told, and has a watchdog.
class Systemd {
 public:
  explicit Systemd(const char* watchdog_usec) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    ::setenv("NOTIFY_SOCKET", path_.c_str(), 1);
    ::setenv("WATCHDOG_USEC", watchdog_usec, 1);
  }
  ~Systemd() {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
    ::close(socket_);
    std::filesystem::remove(path_);
  }
  Systemd(const Systemd&) = delete;
  Systemd& operator=(const Systemd&) = delete;

  // What it was told since the last call; empty: nothing.
  [[nodiscard]] std::string heard() const {
    std::array<char, 1024> text{};
    const auto size = ::recv(socket_, text.data(), text.size(), 0);
    return size < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(size));
  }

 private:
  std::string path_ =
      std::filesystem::temp_directory_path() / ("postern-notify-" + std::to_string(::getpid()));
  int socket_ = -1;
};

}  // namespace

TEST_CASE("the watchdog is told twice in its time, and only while every thread ticks") {
  const Systemd systemd("20000000");
  cli::ServiceManager manager;
  const auto start = Clock::now();
  manager.alive(start, start);
  CHECK(systemd.heard() == "WATCHDOG=1");
  manager.alive(start + 9s, start + 9s);
  CHECK(systemd.heard().empty());
  manager.alive(start + 10s, start + 10s);
  CHECK(systemd.heard() == "WATCHDOG=1");

  // One that was last heard more than half the time ago: silence, until it is heard again.
  manager.alive(start + 10s, start + 21s);
  manager.alive(start + 10s, start + 40s);
  CHECK(systemd.heard().empty());
  manager.alive(start + 41s, start + 41s);
  CHECK(systemd.heard() == "WATCHDOG=1");

  // At the end the threads have ended: nobody is stuck.
  manager.alive(Clock::time_point::max(), start + 60s);
  CHECK(systemd.heard() == "WATCHDOG=1");
}

TEST_CASE("without a watchdog nothing is said of life") {
  const Systemd systemd("");
  cli::ServiceManager manager;
  manager.alive(Clock::now());
  CHECK(systemd.heard().empty());
}

TEST_CASE("what there is to be told of") {
  const Systemd systemd("");
  const cli::ServiceManager manager;
  manager.ready("Serving");
  CHECK(systemd.heard() == "READY=1\nSTATUS=Serving");
  manager.reloading();
  CHECK(systemd.heard().starts_with("RELOADING=1\n"));
  manager.stopping();
  CHECK(systemd.heard().starts_with("STOPPING=1\n"));
}
