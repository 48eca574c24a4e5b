#include "base/time.h"

#include <optional>

#include <doctest/doctest.h>

using namespace postern;
using namespace std::chrono_literals;

namespace {
constexpr Time at(long long seconds) { return Time{std::chrono::seconds{seconds}}; }
}  // namespace

TEST_CASE("time: three ways to write it, all UTC") {
  const Time time = at(1'772'366'400);  // 2026-03-01T12:00:00Z
  CHECK(format_date(time) == "2026-03-01");
  CHECK(format_time(time) == "2026-03-01T12:00:00Z");
  CHECK(format_mail_date(time) == "Sun, 01 Mar 2026 12:00:00 +0000");
  CHECK(format_time(at(-1)) == "1969-12-31T23:59:59Z");
  CHECK(format_mail_date(at(951'782'399)) == "Mon, 28 Feb 2000 23:59:59 +0000");
}

TEST_CASE("time: what no calendar date of four digits holds is cut, not garbled") {
  CHECK(format_time(Time::max()) == "9999-12-31T23:59:59Z");
  CHECK(format_time(Time::min()) == "0000-01-01T00:00:00Z");
}

TEST_CASE("time: parsed") {
  struct Case {
    std::string_view input;
    std::optional<Time> want;
    std::string_view why;
  };
  for (const auto& [input, want, why] : {
           Case{"2026-03-01", at(1'772'323'200), "a date is its midnight"},
           Case{"2026-03-01T12:00:00Z", at(1'772'366'400), "UTC"},
           Case{"2026-03-01t12:00:00z", at(1'772'366'400), "RFC 3339 takes lower case"},
           Case{"2026-03-01 12:00:00Z", at(1'772'366'400), "and a blank"},
           Case{"2026-03-01T12:00:00+01:00", at(1'772'362'800), "east is earlier"},
           Case{"2026-03-01T12:00:00-05:30", at(1'772'386'200), "west is later"},
           Case{"2026-03-01T12:00:00.999Z", at(1'772'366'400), "fractions are dropped"},
           Case{"2016-12-31T23:59:60Z", at(1'483'228'800), "a leap second is the next one"},
           Case{"1970-01-01", at(0), "the epoch"},
           Case{"2024-02-29", at(1'709'164'800), "a leap day"},
           Case{"2026-02-29", std::nullopt, "no leap year"},
           Case{"2026-02-30", std::nullopt, "in no calendar"},
           Case{"2026-13-01", std::nullopt, "no month"},
           Case{"2026-00-01", std::nullopt, "no month"},
           Case{"2026-3-1", std::nullopt, "two digits"},
           Case{"01.03.2026", std::nullopt, "which is the day?"},
           Case{"2026-03-01T12:00:00", std::nullopt, "no time zone"},
           Case{"2026-03-01T24:00:00Z", std::nullopt, "no hour"},
           Case{"2026-03-01T12:60:00Z", std::nullopt, "no minute"},
           Case{"2026-03-01T12:00Z", std::nullopt, "no seconds"},
           Case{"2026-03-01T12:00:00.Z", std::nullopt, "a point without digits"},
           Case{"2026-03-01T12:00:00+24:00", std::nullopt, "no offset"},
           Case{"2026-03-01T12:00:00Zz", std::nullopt, "something after it"},
           Case{" 2026-03-01", std::nullopt, "something before it"},
           Case{"", std::nullopt, "nothing"},
           Case{"+026-03-01", std::nullopt, "a sign is no digit"},
       }) {
    CAPTURE(input);
    CAPTURE(why);
    const auto parsed = parse_time(input);
    CHECK(parsed.has_value() == want.has_value());
    if (parsed && want) CHECK(*parsed == *want);
    if (!parsed) CHECK(parsed.error().code == Errc::invalid);
  }
}

TEST_CASE("time: every day of 400 years is written and read back") {
  for (std::chrono::sys_days day = std::chrono::year{1800} / 1 / 1;
       day < std::chrono::year{2200} / 1 / 1; day += std::chrono::days{1}) {
    const auto parsed = parse_time(format_date(day));
    REQUIRE(parsed);
    REQUIRE(*parsed == Time{day});
  }
}

TEST_CASE("time: durations") {
  struct Case {
    std::string_view input;
    std::optional<std::chrono::milliseconds> want;
  };
  for (const auto& [input, want] :
       {Case{"0s", 0ms}, Case{"250ms", 250ms}, Case{"30s", 30s}, Case{"5m", 5min}, Case{"2h", 2h},
        Case{"10000d", std::chrono::days{10'000}}, Case{"10001d", std::nullopt},
        Case{"240001h", std::nullopt}, Case{"18446744073709551615d", std::nullopt},
        Case{"18446744073709551616ms", std::nullopt}, Case{"1.5s", std::nullopt},
        Case{"-1s", std::nullopt}, Case{"+1s", std::nullopt}, Case{"30", std::nullopt},
        Case{"s", std::nullopt}, Case{"30 s", std::nullopt}, Case{"30S", std::nullopt},
        Case{"", std::nullopt}}) {
    CAPTURE(input);
    const auto parsed = parse_duration(input);
    CHECK(parsed.has_value() == want.has_value());
    if (parsed && want) CHECK(*parsed == *want);
  }
}

TEST_CASE("time: sizes") {
  struct Case {
    std::string_view input;
    std::optional<std::uint64_t> want;
  };
  for (const auto& [input, want] :
       {Case{"0", 0U}, Case{"1024", 1024U}, Case{"1KiB", 1024U}, Case{"3MiB", 3U << 20U},
        Case{"2GiB", 2ULL << 30U}, Case{"4611686018427387904", 1ULL << 62U},
        Case{"4294967296GiB", 1ULL << 62U}, Case{"4294967297GiB", std::nullopt},
        Case{"4611686018427387905", std::nullopt}, Case{"1KB", std::nullopt},
        Case{"1kib", std::nullopt}, Case{"1 KiB", std::nullopt}, Case{"-1", std::nullopt},
        Case{"", std::nullopt}}) {
    CAPTURE(input);
    const auto parsed = parse_size(input);
    CHECK(parsed.has_value() == want.has_value());
    if (parsed && want) CHECK(*parsed == *want);
  }
}
