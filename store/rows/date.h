// Dates as tools and people write them. What parse_time() (base/time.h) takes is strict; this is
// the lenient reading for files that were not written for us.
#pragma once

#include "base/time.h"
#include "store/rows/row_reader.h"

#include <cstdint>
#include <string_view>

namespace postern::rows {

struct DateReading {
  enum class Kind : std::uint8_t {
    none,       // empty, "-", "null", "0000-00-00", or before 1971: what stands where none is known
    time,       //
    ambiguous,  // 03/04/2026, and nobody said which is the day; or it contradicts what was said
    unreadable
  };
  Kind kind = Kind::none;
  Time time{};
};

// ISO 8601 with or without time, zone and fractions (also "20110122T111244"); RFC 5322; seconds or
// milliseconds since 1970; 1.3.2026 (the day first, always), 1/3/2026 and 1-3-2026 (by `order`; one
// number above 12 tells them apart); "Mar 1, 2026", "1 March 2026", months in English, German,
// French and Spanish; AM and PM. Without a zone: UTC.
[[nodiscard]] DateReading read_date(std::string_view text, DateOrder order);

}  // namespace postern::rows
