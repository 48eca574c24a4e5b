#include "store/rows/date.h"

#include "base/text.h"
#include "store/rows/names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <utility>

namespace postern::rows {
namespace {

constexpr int first_year = 1971;  // earlier dates stand for none: mail had no opt-outs then

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) {
  const char lower = ascii_lower(c);
  return (lower >= 'a' && lower <= 'z') || static_cast<signed char>(c) < 0;
}

// A point in time as it is written.
struct Civil {
  int year = 0, month = 0, day = 0;
  int hour = 0, minute = 0, second = 0;
  int offset = 0;  // minutes east of UTC
};

// By the first letters of a month's plain name; longer beginnings first.
constexpr std::pair<std::string_view, int> months[] = {
    {"juin", 6}, {"juil", 7}, {"jan", 1},  {"ene", 1},  {"feb", 2}, {"fev", 2},  {"mar", 3},
    {"mrz", 3},  {"apr", 4},  {"avr", 4},  {"abr", 4},  {"mai", 5}, {"may", 5},  {"jun", 6},
    {"jul", 7},  {"aug", 8},  {"aou", 8},  {"ago", 8},  {"sep", 9}, {"oct", 10}, {"okt", 10},
    {"nov", 11}, {"dec", 12}, {"dez", 12}, {"dic", 12},
};
constexpr std::array<std::string_view, 7> weekdays{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

// RFC 5322 section 4.3, and central Europe's; minutes east of UTC.
constexpr std::pair<std::string_view, int> zones[] = {
    {"z", 0},      {"utc", 0},    {"gmt", 0},    {"ut", 0},     {"est", -300}, {"edt", -240},
    {"cst", -360}, {"cdt", -300}, {"mst", -420}, {"mdt", -360}, {"pst", -480}, {"pdt", -420},
    {"cet", 60},   {"cest", 120}, {"mez", 60},   {"mesz", 120},
};

DateReading unreadable() { return {DateReading::Kind::unreadable, {}}; }
DateReading none() { return {}; }

// Two digits; the numbers here have no more. fmt would cost more than the rest of a row.
char* put(char* out, int number) {
  *out++ = static_cast<char>('0' + number / 10 % 10);
  *out++ = static_cast<char>('0' + number % 10);
  return out;
}

// What parse_time() has to say: it knows the calendar.
DateReading reading_of(const Civil& civil) {
  if (civil.year < first_year) return none();
  std::array<char, 25> text{};
  char* out = put(put(text.data(), civil.year / 100), civil.year);
  for (const auto [before, number] :
       {std::pair('-', civil.month), std::pair('-', civil.day), std::pair('T', civil.hour),
        std::pair(':', civil.minute), std::pair(':', civil.second),
        std::pair(civil.offset < 0 ? '-' : '+', std::abs(civil.offset) / 60),
        std::pair(':', std::abs(civil.offset) % 60)}) {
    *out++ = before;
    out = put(out, number);
  }
  const auto time = parse_time({text.data(), text.size()});
  if (!time) return unreadable();
  return {DateReading::Kind::time, *time};
}

// "2026-03-01 12:00:00", as most tools write it; nullopt where it is anything else.
std::optional<Time> plain_time(std::string_view text) {
  constexpr std::string_view shape = "dddd-dd-dd dd:dd:dd";
  if (text.size() != shape.size()) return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 'd' ? !is_digit(text[i]) : text[i] != shape[i]) return std::nullopt;
  }
  const auto two = [&](std::size_t at) {
    return static_cast<unsigned>(text[at] - '0') * 10U + static_cast<unsigned>(text[at + 1] - '0');
  };
  const std::chrono::year_month_day day{std::chrono::year{static_cast<int>(two(0) * 100 + two(2))},
                                        std::chrono::month{two(5)}, std::chrono::day{two(8)}};
  const bool good = day.ok() && day.year() >= std::chrono::year{first_year} && two(11) < 24 &&
                    two(14) < 60 && two(17) < 60;
  if (!good) return std::nullopt;
  return std::chrono::sys_days{day} + std::chrono::hours{two(11)} + std::chrono::minutes{two(14)} +
         std::chrono::seconds{two(17)};
}

class Reader {
 public:
  Reader(std::string_view text, DateOrder order) : rest_(text), order_(order) {}

  DateReading read() {
    skip_weekday();
    if (!date()) return ambiguous_ ? DateReading{DateReading::Kind::ambiguous, {}} : unreadable();
    if (civil_.year == 0) return none();  // 0000-00-00
    skip_separators();
    if (!rest_.empty() && !(clock() && zone())) return unreadable();
    return reading_of(civil_);
  }

 private:
  [[nodiscard]] bool skip(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void skip_blanks() {
    while (skip(' ') || skip('\t')) {
    }
  }
  // Between date and time.
  void skip_separators() {
    while (skip(' ') || skip('\t') || skip(',') || skip('T') || skip('t')) {
    }
  }
  [[nodiscard]] std::size_t digits() const {
    const auto* end = std::ranges::find_if_not(rest_, is_digit);
    return static_cast<std::size_t>(end - rest_.begin());
  }
  // Exactly `width` digits, which are known to be there.
  int take(std::size_t width) {
    int value = 0;
    for (const char c : rest_.substr(0, width)) value = value * 10 + (c - '0');
    rest_.remove_prefix(width);
    return value;
  }
  // One digit or two.
  [[nodiscard]] std::optional<int> short_number() {
    const std::size_t width = digits();
    if (width == 0 || width > 2) return std::nullopt;
    return take(width);
  }
  [[nodiscard]] std::optional<int> year() {
    if (digits() != 4) return std::nullopt;
    return take(4);
  }
  std::string word() {
    const auto* end = std::ranges::find_if_not(rest_, is_letter);
    const auto size = static_cast<std::size_t>(end - rest_.begin());
    std::string plain = plain_name(rest_.substr(0, std::min<std::size_t>(size, 20)));
    rest_.remove_prefix(size);
    return plain;
  }
  [[nodiscard]] bool month_name() {
    const std::string name = word();
    const auto* known = std::ranges::find_if(
        months, [&](const auto& month) { return name.starts_with(month.first); });
    if (known == std::end(months)) return false;
    civil_.month = known->second;
    (void)skip('.');
    return true;
  }

  // "Fri, 1 Mar", "Fri Mar 1": what day of the week it was, the date says.
  void skip_weekday() {
    if (!rest_.empty() && is_digit(rest_.front())) return;
    const std::string_view before = rest_;
    const std::string name = word();
    const bool known =
        std::ranges::any_of(weekdays, [&](std::string_view day) { return name.starts_with(day); });
    if (!known) {
      rest_ = before;
      return;
    }
    (void)skip(',');
    skip_blanks();
  }

  [[nodiscard]] bool date() {
    if (!rest_.empty() && is_letter(rest_.front())) return month_day_year();
    const std::size_t width = digits();
    if (width == 8) return compact_date();
    if (width == 4) return year_month_day();
    const auto first = short_number();
    if (!first || rest_.empty()) return false;
    const char separator = rest_.front();
    if (rest_.size() > 1 && is_digit(rest_[1])) {
      return (separator == '.' || separator == '/' || separator == '-') &&
             numbers(*first, separator);
    }
    return day_month_year(*first);
  }
  [[nodiscard]] bool compact_date() {
    civil_.year = take(4);
    civil_.month = take(2);
    civil_.day = take(2);
    compact_ = true;
    return rest_.empty() || rest_.front() == 'T' || rest_.front() == 't' || rest_.front() == ' ';
  }
  [[nodiscard]] bool year_month_day() {
    civil_.year = take(4);
    if (rest_.empty()) return false;
    const char separator = rest_.front();
    if (separator != '-' && separator != '/' && separator != '.') return false;
    (void)skip(separator);
    const auto month = short_number();
    if (!month || !skip(separator)) return false;
    const auto day = short_number();
    if (!day) return false;
    civil_.month = *month;
    civil_.day = *day;
    return true;
  }
  // "Mar 1, 2026"
  [[nodiscard]] bool month_day_year() {
    if (!month_name()) return false;
    skip_blanks();
    const auto day = short_number();
    if (!day) return false;
    (void)skip(',');
    skip_blanks();
    const auto then = year();
    if (!then) return false;
    civil_.day = *day;
    civil_.year = *then;
    return true;
  }
  // "1 Mar 2026", "1. März 2026", "01-Mar-2026"
  [[nodiscard]] bool day_month_year(int day) {
    (void)skip('.');
    skip_blanks();
    (void)skip('-');
    if (!month_name()) return false;
    skip_blanks();
    (void)skip('-');
    const auto then = year();
    if (!then) return false;
    civil_.day = day;
    civil_.year = *then;
    return true;
  }
  // "1.3.2026", "1/3/2026"
  [[nodiscard]] bool numbers(int first, char separator) {
    (void)skip(separator);
    const auto second = short_number();
    if (!second || !skip(separator)) return false;
    const auto then = year();
    if (!then) return false;
    civil_.year = *then;
    bool day_first = separator == '.' || order_ == DateOrder::day_first;
    if (separator != '.' && order_ == DateOrder::ask) {
      ambiguous_ = first <= 12 && *second <= 12 && first != *second;
      if (ambiguous_) return false;
      day_first = first > 12;
    }
    civil_.day = day_first ? first : *second;
    civil_.month = day_first ? *second : first;
    // Whoever said the order was wrong about the file: its other dates are not what they seem.
    ambiguous_ = separator != '.' && civil_.month > 12 && civil_.day <= 12;
    return !ambiguous_;
  }

  [[nodiscard]] bool clock() {
    const std::size_t width = digits();
    if (compact_ && (width == 6 || width == 4)) {
      civil_.hour = take(2);
      civil_.minute = take(2);
      if (width == 6) civil_.second = take(2);
    } else {
      const auto hour = short_number();
      if (!hour || !skip(':') || digits() != 2) return false;
      civil_.hour = *hour;
      civil_.minute = take(2);
      if (skip(':')) {
        if (digits() != 2) return false;
        civil_.second = take(2);
      }
    }
    if (skip('.') || skip(',')) rest_.remove_prefix(digits());
    skip_blanks();
    return half_of_day();
  }
  // "AM", "PM"
  [[nodiscard]] bool half_of_day() {
    const std::string_view half = rest_.substr(0, 2);
    const bool pm = equal_nocase(half, "pm");
    if (!pm && !equal_nocase(half, "am")) return true;
    rest_.remove_prefix(2);
    skip_blanks();
    if (civil_.hour < 1 || civil_.hour > 12) return false;
    civil_.hour = civil_.hour % 12 + (pm ? 12 : 0);
    return true;
  }
  // "+0100", "+01:00", "+01", "Z", "GMT"; a name behind a number only repeats it: "+0000 (UTC)"
  [[nodiscard]] bool zone() {
    if (rest_.empty()) return true;
    if (rest_.front() != '+' && rest_.front() != '-') return zone_name();
    const int sign = rest_.front() == '-' ? -1 : 1;
    rest_.remove_prefix(1);
    const std::size_t width = digits();
    if (width != 2 && width != 4) return false;
    const int hours = take(2);
    const bool minutes_follow = width == 4 || skip(':');
    if (minutes_follow && digits() != 2) return false;
    const int minutes = minutes_follow ? take(2) : 0;
    if (hours > 23 || minutes > 59) return false;
    civil_.offset = sign * (hours * 60 + minutes);
    skip_blanks();
    const bool comment = skip('(');
    (void)word();
    if (comment && !skip(')')) return false;
    return rest_.empty();
  }
  [[nodiscard]] bool zone_name() {
    const std::string name = word();
    const auto* known = std::ranges::find(zones, name, &std::pair<std::string_view, int>::first);
    if (known == std::end(zones) || !rest_.empty()) return false;
    civil_.offset = known->second;
    return true;
  }

  std::string_view rest_;
  DateOrder order_;
  Civil civil_;
  bool compact_ = false;
  bool ambiguous_ = false;
};

// "1700000000", with milliseconds or a fraction; "20260301"; "20260301120000".
DateReading from_digits(std::string_view text, std::size_t whole) {
  const std::string_view number = text.substr(0, whole);
  if (number.size() == 8 && text.size() == 8) return Reader(text, DateOrder::ask).read();
  if (number.size() == 14 && text.size() == 14) {
    std::string compact(number);
    compact.insert(8, 1, 'T');
    return Reader(compact, DateOrder::ask).read();
  }
  if (number.find_first_not_of('0') == number.npos) return none();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc{} || end != number.data() + number.size()) return unreadable();
  if (number.size() == 12 || number.size() == 13)
    value /= 1000;
  else if (number.size() != 9 && number.size() != 10)
    return unreadable();
  const Time time{std::chrono::seconds{value}};
  if (time < std::chrono::sys_days{std::chrono::year{first_year} / 1 / 1}) return none();
  return {DateReading::Kind::time, time};
}

}  // namespace

DateReading read_date(std::string_view text, DateOrder order) {
  text = trim(text);
  if (text.empty()) return none();
  if (const auto time = plain_time(text)) return {DateReading::Kind::time, *time};
  const auto* end = std::ranges::find_if_not(text, is_digit);
  const auto whole = static_cast<std::size_t>(end - text.begin());
  const std::string_view behind = text.substr(whole);
  const bool fraction =
      behind.size() > 1 && behind.front() == '.' && std::ranges::all_of(behind.substr(1), is_digit);
  if (behind.empty() || fraction) return from_digits(text, whole);
  if (whole == 0 && (truth_of(text) == Truth::no || truth_of(text) == Truth::empty)) return none();
  return Reader(text, order).read();
}

}  // namespace postern::rows
