#include "base/time.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace postern {
namespace {

using std::chrono::days;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<std::string_view, 7> weekday_names{"Sun", "Mon", "Tue", "Wed",
                                                        "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> month_names{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr milliseconds max_duration = days{10'000};
constexpr std::uint64_t max_size = 1ULL << 62U;

// A point in time as people read it. Years that a calendar date cannot hold are cut to those of
// four digits.
struct Civil {
  explicit Civil(Time time) {
    using std::chrono::sys_days;
    const Time first = sys_days{std::chrono::year{0} / 1 / 1};
    const Time last = sys_days{std::chrono::year{10'000} / 1 / 1} - seconds{1};
    const Time shown = std::clamp(time, first, last);
    const auto midnight = std::chrono::floor<days>(shown);
    date = std::chrono::year_month_day{midnight};
    weekday = std::chrono::weekday{midnight};
    clock = std::chrono::hh_mm_ss{shown - midnight};
  }
  [[nodiscard]] int year() const { return static_cast<int>(date.year()); }
  [[nodiscard]] unsigned month() const { return static_cast<unsigned>(date.month()); }
  [[nodiscard]] unsigned day() const { return static_cast<unsigned>(date.day()); }

  std::chrono::year_month_day date;
  std::chrono::weekday weekday;
  std::chrono::hh_mm_ss<seconds> clock;
};

// In every refusal: a fifth of what the formatter takes.
void put_two_digits(std::string& text, std::size_t at, unsigned number) {
  text[at] = static_cast<char>('0' + number / 10);
  text[at + 1] = static_cast<char>('0' + number % 10);
}

// What is left of a text that is read from its front.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] bool skip_any(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Exactly `width` digits.
  [[nodiscard]] std::optional<int> digits(std::size_t width) {
    if (rest_.size() < width) return std::nullopt;
    int value = 0;
    for (const char c : rest_.substr(0, width)) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(width);
    return value;
  }
  void skip_digits() {
    while (skip_any("0123456789")) {
    }
  }

 private:
  std::string_view rest_;
};

std::optional<std::chrono::sys_days> scan_date(Scanner& scanner) {
  const auto year = scanner.digits(4);
  if (!year || !scanner.skip_any("-")) return std::nullopt;
  const auto month = scanner.digits(2);
  if (!month || !scanner.skip_any("-")) return std::nullopt;
  const auto day = scanner.digits(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date};
}

// "12:00:00", fractions dropped; 60 is a leap second.
std::optional<seconds> scan_clock(Scanner& scanner) {
  const auto hour = scanner.digits(2);
  if (!hour || *hour > 23 || !scanner.skip_any(":")) return std::nullopt;
  const auto minute = scanner.digits(2);
  if (!minute || *minute > 59 || !scanner.skip_any(":")) return std::nullopt;
  const auto second = scanner.digits(2);
  if (!second || *second > 60) return std::nullopt;
  if (scanner.skip_any(".")) {
    if (!scanner.digits(1)) return std::nullopt;
    scanner.skip_digits();
  }
  return std::chrono::hours{*hour} + std::chrono::minutes{*minute} + seconds{*second};
}

std::optional<seconds> scan_offset(Scanner& scanner) {
  if (scanner.skip_any("Zz")) return seconds{0};
  const bool east = scanner.skip_any("+");
  if (!east && !scanner.skip_any("-")) return std::nullopt;
  const auto hour = scanner.digits(2);
  if (!hour || *hour > 23 || !scanner.skip_any(":")) return std::nullopt;
  const auto minute = scanner.digits(2);
  if (!minute || *minute > 59) return std::nullopt;
  const seconds offset = std::chrono::hours{*hour} + std::chrono::minutes{*minute};
  return east ? offset : -offset;
}

std::optional<Time> scan_time(std::string_view text) {
  Scanner scanner(text);
  const auto date = scan_date(scanner);
  if (!date) return std::nullopt;
  if (scanner.at_end()) return Time{*date};
  if (!scanner.skip_any("Tt ")) return std::nullopt;
  const auto clock = scan_clock(scanner);
  if (!clock) return std::nullopt;
  const auto offset = scan_offset(scanner);
  if (!offset || !scanner.at_end()) return std::nullopt;
  return Time{*date} + *clock - *offset;
}

// A whole number and the unit that follows it; nullopt where there is no number, or one that no
// variable holds.
std::optional<std::pair<std::uint64_t, std::string_view>> number_and_unit(std::string_view text) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  return std::pair{number, text.substr(static_cast<std::size_t>(rest - text.data()))};
}

}  // namespace

Time current_time() { return std::chrono::floor<seconds>(std::chrono::system_clock::now()); }

std::string format_date(Time time) {
  const Civil civil(time);
  const auto year = static_cast<unsigned>(civil.year());
  std::string text = "0000-00-00";
  put_two_digits(text, 0, year / 100);
  put_two_digits(text, 2, year % 100);
  put_two_digits(text, 5, civil.month());
  put_two_digits(text, 8, civil.day());
  return text;
}

std::string format_time(Time time) {
  const Civil civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", civil.year(), civil.month(),
                     civil.day(), civil.clock.hours().count(), civil.clock.minutes().count(),
                     civil.clock.seconds().count());
}

std::string format_mail_date(Time time) {
  // Many messages have the same second.
  thread_local std::pair<Time, std::string> last;
  if (last.first == time && !last.second.empty()) return last.second;
  const Civil civil(time);
  auto text = fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000",
                          weekday_names[civil.weekday.c_encoding()], civil.day(),
                          month_names[civil.month() - 1], civil.year(), civil.clock.hours().count(),
                          civil.clock.minutes().count(), civil.clock.seconds().count());
  last = {time, text};
  return text;
}

Result<Time> parse_time(std::string_view text) {
  if (const auto time = scan_time(text)) return *time;
  return fail(Errc::invalid,
              fmt::format("'{}' is no date: write 2026-03-01 or 2026-03-01T12:00:00Z",
                          printable(text, 60)));
}

Result<milliseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> units{
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  if (const auto parsed = number_and_unit(text)) {
    const auto unit = std::ranges::find(units, parsed->second, &decltype(units)::value_type::first);
    if (unit != units.end()) {
      if (parsed->first > static_cast<std::uint64_t>(max_duration.count() / unit->second)) {
        return fail(Errc::invalid, fmt::format("'{}' is more than 10000d", printable(text, 60)));
      }
      return milliseconds{static_cast<std::int64_t>(parsed->first) * unit->second};
    }
  }
  return fail(
      Errc::invalid,
      fmt::format("'{}' is no duration: write a whole number and ms, s, m, h or d, as in 30s",
                  printable(text, 60)));
}

Result<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, unsigned>, 4> units{
      {{"", 0U}, {"KiB", 10U}, {"MiB", 20U}, {"GiB", 30U}}};
  if (const auto parsed = number_and_unit(text)) {
    const auto unit = std::ranges::find(units, parsed->second, &decltype(units)::value_type::first);
    if (unit != units.end()) {
      if (parsed->first > (max_size >> unit->second)) {
        return fail(Errc::invalid, fmt::format("'{}' is too large", printable(text, 60)));
      }
      return parsed->first << unit->second;
    }
  }
  return fail(
      Errc::invalid,
      fmt::format("'{}' is no size: write a whole number of octets, or one with KiB, MiB or GiB",
                  printable(text, 60)));
}

}  // namespace postern
