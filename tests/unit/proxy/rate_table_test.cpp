#include "proxy/rate_table.h"

#include <chrono>
#include <string>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using postern::proxy::RateTable;

namespace {

const auto start = RateTable::Clock::time_point(1000h);

// How many of `tries` at that time are taken.
int taken(RateTable& table, std::string_view key, std::uint32_t per_minute, int tries,
          RateTable::Clock::time_point now) {
  int count = 0;
  for (int i = 0; i < tries; ++i) count += table.take(key, per_minute, now) ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("rates: a minute's number at once, then evenly") {
  RateTable table;
  for (const std::uint32_t per_minute : {1U, 5U, 7U, 60U, 1'000U}) {
    CAPTURE(per_minute);
    const auto key = std::to_string(per_minute);
    const auto share = std::chrono::nanoseconds(1min) / per_minute;
    const auto whole = static_cast<int>(per_minute);
    CHECK(taken(table, key, per_minute, 2 * whole, start) == whole);
    CHECK_FALSE(table.take(key, per_minute, start + share - 1us));
    CHECK(taken(table, key, per_minute, 3, start + share) == 1);
    CHECK(taken(table, key, per_minute, 2 * whole, start + share + 1min) == whole);
    CHECK(taken(table, key, per_minute, 2 * whole, start + 24h) == whole);
  }
}

TEST_CASE("rates: no minute has more than twice the number, whenever it begins") {
  RateTable table;
  int in_a_minute = 0;
  for (auto now = start; now < start + 1min; now += 100ms) {
    in_a_minute += taken(table, "a", 10, 5, now);
  }
  CHECK(in_a_minute >= 10);
  CHECK(in_a_minute <= 20);
}

TEST_CASE("rates: keys have each their own, and a changed limit holds at once") {
  RateTable table;
  CHECK(taken(table, "a", 3, 5, start) == 3);
  CHECK(taken(table, "b", 3, 5, start) == 3);
  CHECK(taken(table, "a", 6, 5, start) == 0);  // a minute's share is used up, whatever it is
  CHECK(taken(table, "a", 6, 5, start + 30s) == 3);
  CHECK(taken(table, "b", 1, 5, start + 30s) == 0);
}

TEST_CASE("rates: of strangers' many keys none rids another of its limit unless it owes as much") {
  RateTable table(4);  // room for 32 keys
  CHECK(taken(table, "sender", 100, 200, start) == 100);
  for (int i = 0; i < 100'000; ++i) {
    static_cast<void>(table.take("stranger " + std::to_string(i), 100, start));
  }
  CHECK(taken(table, "sender", 100, 200, start) == 0);
}

TEST_CASE("rates: who has not been heard of for a minute makes room first") {
  RateTable table(1);
  for (int i = 0; i < 8; ++i) CHECK(taken(table, "old " + std::to_string(i), 2, 3, start) == 2);
  const auto later = start + 1min;
  CHECK(taken(table, "new", 2, 3, later) == 2);
  for (int i = 0; i < 7; ++i) {
    CHECK(taken(table, "newer " + std::to_string(i), 2, 3, later) == 2);
  }
  CHECK(taken(table, "new", 2, 3, later) == 0);
}
