// The rule for soft bounces: often repeated, with no sign of life between, they say what a hard one
// says at once. A function of times; which events those are is the store's.
#pragma once

#include "base/time.h"

#include <chrono>
#include <cstdint>
#include <span>

namespace postern::policy {

struct SoftRule {
  std::uint32_t bounces = 5;  // 0: no number of them makes a hold
  std::uint32_t days = 3;     // on at least so many days (UTC)
  std::chrono::milliseconds within = std::chrono::days{30};
};

struct SoftBounces {
  std::uint32_t bounces = 0;  // that count: within the time, after the last sign of life
  std::uint32_t days = 0;     // on which they came
  bool hold = false;
};

// `bounces`, `signs_of_life`: when; in any order. A sign of life at the very second of a bounce
// voids it. The time ends with `now`; bounces that are yet to come count as of now.
[[nodiscard]] SoftBounces judge(std::span<const Time> bounces, std::span<const Time> signs_of_life,
                                const SoftRule& rule, Time now);

}  // namespace postern::policy
