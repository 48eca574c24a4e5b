// What systemd and the gate tell each other: sockets that it opened for us, and that we are ready,
// reading the configuration anew, stopping, and alive. Without systemd nothing is said and none are
// passed. The one user of libsystemd; sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).
#pragma once

#include "base/passed_sockets.h"
#include "base/result.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace postern::cli {

class ServiceManager {
 public:
  using Clock = std::chrono::steady_clock;

  // Reads the environment, once, and takes the variables of the watchdog out of it.
  ServiceManager();

  // The sockets that were passed, and their variables out of the environment: no process that we
  // start is to take them for its own. Errc::io.
  [[nodiscard]] static Result<PassedSockets> sockets();

  // `status` is one line, for `systemctl status`.
  void ready(std::string_view status) const;
  void reloading() const;
  void stopping() const;

  // To be called once a second: says that we are alive, twice in the time after which systemd takes
  // us for dead, and only while every thread is: `oldest_tick` is when the one that was longest
  // silent was heard last.
  void alive(Clock::time_point oldest_tick, Clock::time_point now = Clock::now());

 private:
  std::optional<std::chrono::microseconds> half_time_;  // of the watchdog's; none: it is off
  Clock::time_point next_{};
};

// The error of sockets that nobody wants, or nullopt: `wanted` are the names that there are.
[[nodiscard]] std::optional<Error> unwanted(const PassedSockets& passed, std::string_view wanted);

}  // namespace postern::cli
