// Points in time as the project keeps them: seconds since 1970 UTC, passed in by whoever owns the
// clock.
#pragma once

#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern {

using Time = std::chrono::sys_seconds;

// The only reading of the wall clock; called at the edges, everything below takes `now`.
[[nodiscard]] Time current_time();

// "2026-03-01", UTC.
[[nodiscard]] std::string format_date(Time time);
// "2026-03-01T12:00:00Z" (RFC 3339).
[[nodiscard]] std::string format_time(Time time);
// "Sun, 01 Mar 2026 12:00:00 +0000" (RFC 5322 section 3.3), UTC.
[[nodiscard]] std::string format_mail_date(Time time);

// RFC 3339 ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00+01:00"; a blank for the T), or a date
// alone (midnight UTC). Errc::invalid for anything else, days that are in no calendar included.
[[nodiscard]] Result<Time> parse_time(std::string_view text);

// "1.5s" is not one: a whole number and ms, s, m, h or d. Errc::invalid otherwise, or above 10,000
// days.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);
// A whole number of octets, or one with KiB, MiB or GiB. Errc::invalid otherwise, or above 2^62.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace postern
