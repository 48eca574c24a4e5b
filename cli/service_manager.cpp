#include "cli/service_manager.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <system_error>
#include <systemd/sd-daemon.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postern::cli {
namespace {

// Threads tick once a second: one that is a little late is no dead one.
constexpr std::chrono::seconds least_patience{3};

// That nobody listens is no failure of ours.
void notify(const std::string& state) { static_cast<void>(::sd_notify(0, state.c_str())); }

}  // namespace

ServiceManager::ServiceManager() {
  std::uint64_t limit = 0;
  if (::sd_watchdog_enabled(1, &limit) > 0) half_time_ = std::chrono::microseconds(limit / 2);
}

Result<PassedSockets> ServiceManager::sockets() {
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  PassedSockets passed;
  if (count < 0) {
    return fail(Errc::io, fmt::format("cannot take the sockets that systemd passes: {}",
                                      std::system_category().message(-count)));
  }
  for (int i = 0; i < count; ++i) {
    passed.add(names[i], SD_LISTEN_FDS_START + i);
    std::free(names[i]);
  }
  std::free(static_cast<void*>(names));
  return passed;
}

void ServiceManager::ready(std::string_view status) const {
  notify(fmt::format("READY=1\nSTATUS={}", status));
}

void ServiceManager::reloading() const {
  notify("RELOADING=1\nSTATUS=Reading the configuration anew");
}

void ServiceManager::stopping() const {
  notify("STOPPING=1\nSTATUS=Draining: messages under way finish");
}

void ServiceManager::alive(Clock::time_point oldest_tick, Clock::time_point now) {
  if (!half_time_ || now < next_) return;
  if (oldest_tick < now - std::max<Clock::duration>(*half_time_, least_patience)) return;
  next_ = now + *half_time_;
  notify("WATCHDOG=1");
}

std::optional<Error> unwanted(const PassedSockets& passed, std::string_view wanted) {
  const auto names = passed.names();
  if (names.empty()) return std::nullopt;
  return Error{Errc::invalid,
               fmt::format("systemd passes a socket named {}, and nothing here has that name: set "
                           "FileDescriptorName= in its unit to one of {}",
                           fmt::join(names, ", "), wanted)};
}

}  // namespace postern::cli
