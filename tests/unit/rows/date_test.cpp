#include "store/rows/date.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::rows;

namespace {

std::string read(std::string_view text, DateOrder order = DateOrder::ask) {
  const DateReading reading = read_date(text, order);
  switch (reading.kind) {
    case DateReading::Kind::none:
      return "none";
    case DateReading::Kind::ambiguous:
      return "ambiguous";
    case DateReading::Kind::unreadable:
      return "unreadable";
    case DateReading::Kind::time:
      break;
  }
  return format_time(reading.time);
}

}  // namespace

TEST_CASE("dates as tools write them") {
  struct Case {
    std::string_view input, want, why;
  };
  const Case cases[] = {
      {"2026-03-01", "2026-03-01T00:00:00Z", "ISO, the day"},
      {"2026-03-01T12:34:56Z", "2026-03-01T12:34:56Z", "ISO"},
      {"2026-03-01 12:34:56", "2026-03-01T12:34:56Z", "a blank, no zone: UTC"},
      {"2026-03-01 12:34", "2026-03-01T12:34:00Z", "no seconds"},
      {"2026-03-01T12:34:56.789123+02:00", "2026-03-01T10:34:56Z", "a fraction and a zone"},
      {"2026-03-01T12:34:56-0730", "2026-03-01T20:04:56Z", "a zone without colon"},
      {"2026-03-01 12:34:56 +0000 UTC", "2026-03-01T12:34:56Z", "as Go prints it"},
      {"2026-03-01 12:34:56 UTC", "2026-03-01T12:34:56Z", "a zone by name"},
      {"2026-03-01 12:34:56+01", "2026-03-01T11:34:56Z", "as PostgreSQL prints it"},
      {"2015-11-03 10:22:19.9567", "2015-11-03T10:22:19Z", "Mandrill"},
      {"2026/03/01 12:34", "2026-03-01T12:34:00Z", "slashes, the year first"},
      {"2026-3-1", "2026-03-01T00:00:00Z", "without zeros"},
      {"20110122T111244", "2011-01-22T11:12:44Z", "MailUp"},
      {"20110122T111244Z", "2011-01-22T11:12:44Z", "the same with a zone"},
      {"20110122", "2011-01-22T00:00:00Z", "its day"},
      {"20110122111244", "2011-01-22T11:12:44Z", "without the T"},
      {"Fri, 21 Oct 2011 11:02:55 GMT", "2011-10-21T11:02:55Z", "RFC 5322, obsolete zone"},
      {"21 Oct 2011 11:02:55 +0200", "2011-10-21T09:02:55Z", "RFC 5322 without the weekday"},
      {"Fri, 21 Oct 2011 11:02:55 +0000 (UTC)", "2011-10-21T11:02:55Z", "and with a comment"},
      {"Fri, 1 Oct 2011 11:02 -0500", "2011-10-01T16:02:00Z", "RFC 5322 without seconds"},
      {"1443651125", "2015-09-30T22:12:05Z", "seconds since 1970"},
      {"1443651125999", "2015-09-30T22:12:05Z", "milliseconds"},
      {"1443651125.5", "2015-09-30T22:12:05Z", "seconds and a fraction"},
      {"1.3.2026", "2026-03-01T00:00:00Z", "dots: the day first"},
      {"01.03.2026, 12:34", "2026-03-01T12:34:00Z", "with a comma and a time"},
      {"03.04.2026", "2026-04-03T00:00:00Z", "dots are never the month first"},
      {"25/12/2026", "2026-12-25T00:00:00Z", "no month is 25"},
      {"12/25/2026 3:04 PM", "2026-12-25T15:04:00Z", "nor here; an hour of the afternoon"},
      {"12-25-2026 12:04:05 AM", "2026-12-25T00:04:05Z", "midnight in the American way"},
      {"05/05/2026", "2026-05-05T00:00:00Z", "the same either way"},
      {"Mar 1, 2026", "2026-03-01T00:00:00Z", "a month by name"},
      {"March 1, 2026 12:34 PM", "2026-03-01T12:34:00Z", "in full"},
      {"1 March 2026", "2026-03-01T00:00:00Z", "the day first"},
      {"01-Mar-2026", "2026-03-01T00:00:00Z", "with dashes"},
      {"1. M\xC3\xA4rz 2026", "2026-03-01T00:00:00Z", "German"},
      {"24 ao\xC3\xBBt 2025", "2025-08-24T00:00:00Z", "French"},
      {"3 juin 2025", "2025-06-03T00:00:00Z", "French: not July"},
      {"2 ene 2025", "2025-01-02T00:00:00Z", "Spanish"},
      {"  2026-03-01  ", "2026-03-01T00:00:00Z", "blanks around"},
      {"2024-02-29", "2024-02-29T00:00:00Z", "a leap day"},
  };
  for (const auto& [input, want, why] : cases) {
    CAPTURE(input);
    CAPTURE(why);
    CHECK(read(input) == want);
  }
}

TEST_CASE("what stands for no date is none, never today") {
  for (const std::string_view input :
       {"", " ", "-", "null", "NULL", "None", "N/A", "never", "0", "000", "0000-00-00",
        "0000-00-00 00:00:00", "0001-01-01T00:00:00Z", "1900-01-01", "01/01/1970", "000000001"}) {
    CAPTURE(input);
    CHECK(read(input) == "none");
  }
}

TEST_CASE("what is no date is not guessed") {
  for (const std::string_view input : {"yesterday",
                                       "2026-02-30",
                                       "2026-13-01",
                                       "2026-03-01T25:00:00Z",
                                       "2026-03-01 12:60",
                                       "31.02.2026",
                                       "13/13/2026",
                                       "1/2/26",
                                       "2026-03",
                                       "12:34",
                                       "1",
                                       "12345",
                                       "99999999999",
                                       "2026-03-01 12:34:56 +25:00",
                                       "2026-03-01 12:34:56 Mars",
                                       "2026-03-01x",
                                       "2026.03-01",
                                       "1.3",
                                       "Mar",
                                       "Fri,",
                                       "1 Smarch 2026",
                                       "2026-03-01 13:00 PM",
                                       "20261301T000000",
                                       "123456789012345678901234567890",
                                       "2026-03-01 12:34:",
                                       "2026-",
                                       "T",
                                       "\xFF\xFE"}) {
    CAPTURE(input);
    CHECK(read(input) == "unreadable");
  }
}

TEST_CASE("a date that could be two is asked about") {
  struct Case {
    std::string_view input, day_first, month_first;
  };
  const Case cases[] = {
      {"03/04/2026", "2026-04-03T00:00:00Z", "2026-03-04T00:00:00Z"},
      {"3/4/2026 10:11", "2026-04-03T10:11:00Z", "2026-03-04T10:11:00Z"},
      {"03-04-2026", "2026-04-03T00:00:00Z", "2026-03-04T00:00:00Z"},
  };
  for (const auto& [input, day_first, month_first] : cases) {
    CAPTURE(input);
    CHECK(read(input) == "ambiguous");
    CHECK(read(input, DateOrder::day_first) == day_first);
    CHECK(read(input, DateOrder::month_first) == month_first);
  }
  // Where the caller said which, a date that cannot be so shows that it is not so.
  CHECK(read("12/25/2026", DateOrder::day_first) == "ambiguous");
  CHECK(read("25/12/2026", DateOrder::month_first) == "ambiguous");
}
