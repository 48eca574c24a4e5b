// Warnings that strangers or an upstream may cause by the thousand: each is written when it first
// comes, then once a minute with how often it came. From any thread; of many different ones only
// some are told apart.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace postern {

class RepeatedWarnings {
 public:
  using Clock = std::chrono::steady_clock;

  // `details` are of this one time, and written where it is the first.
  void warn(const std::string& what, std::string_view details, Clock::time_point now);
  // Once a second or so: the minutes that are over.
  void look(Clock::time_point now);

 private:
  struct Minute {
    Clock::time_point end;
    std::uint64_t unsaid = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Minute, std::less<>> minutes_;
};

}  // namespace postern
