#include "policy/soft_bounces.h"

#include <algorithm>
#include <vector>

namespace postern::policy {

SoftBounces judge(std::span<const Time> bounces, std::span<const Time> signs_of_life,
                  const SoftRule& rule, Time now) {
  const auto last_sign = std::ranges::max_element(signs_of_life);
  std::vector<std::chrono::sys_days> days;
  for (const Time bounce : bounces) {
    const Time when = std::min(bounce, now);
    if (last_sign != signs_of_life.end() && when <= *last_sign) continue;
    if (now - when > rule.within) continue;
    days.push_back(std::chrono::floor<std::chrono::days>(when));
  }
  SoftBounces found{.bounces = static_cast<std::uint32_t>(days.size())};
  std::ranges::sort(days);
  days.erase(std::ranges::unique(days).begin(), days.end());
  found.days = static_cast<std::uint32_t>(days.size());
  found.hold = rule.bounces != 0 && found.bounces >= rule.bounces && found.days >= rule.days;
  return found;
}

}  // namespace postern::policy
