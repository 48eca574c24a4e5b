// When soft bounces come to what a hard one says at once.
#include "policy/soft_bounces.h"

#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::policy;

namespace {

Time at(int day, int hour = 12) {
  return Time{std::chrono::days{20'000 + day} + std::chrono::hours{hour}};
}

}  // namespace

TEST_CASE("soft bounces: five, on three days, within thirty, and no sign of life between") {
  struct Case {
    std::string_view why;
    std::vector<Time> bounces;
    std::vector<Time> alive;
    bool hold;
  };
  const Case cases[] = {
      {"none", {}, {}, false},
      {"four", {at(0), at(1), at(2), at(3)}, {}, false},
      {"five on five days", {at(0), at(1), at(2), at(3), at(4)}, {}, true},
      {"in any order", {at(3), at(0), at(4), at(2), at(1)}, {}, true},
      {"five on two days: one bad week end",
       {at(0), at(0, 13), at(0, 14), at(1), at(1, 13)},
       {},
       false},
      {"five on three days", {at(0), at(0, 13), at(1), at(1, 13), at(2)}, {}, true},
      {"days are those of UTC", {at(0, 23), at(0, 23), at(0, 23), at(1, 0), at(1, 1)}, {}, false},
      {"the first is thirty days old and counts", {at(-25), at(1), at(2), at(3), at(4)}, {}, true},
      {"the first is older", {at(-27), at(1), at(2), at(3), at(4)}, {}, false},
      {"mail arrived between", {at(0), at(1), at(2), at(3), at(4)}, {at(2, 13)}, false},
      {"mail arrived before", {at(0), at(1), at(2), at(3), at(4)}, {at(-1)}, true},
      {"the last sign counts", {at(0), at(1), at(2), at(3), at(4)}, {at(3), at(-1)}, false},
      {"in the same second", {at(0), at(1), at(2), at(3), at(4)}, {at(0)}, false},
      {"a clock that is ahead", {at(900), at(1), at(2), at(3), at(4)}, {}, true},
  };
  for (const auto& [why, bounces, alive, hold] : cases) {
    CAPTURE(why);
    CHECK(judge(bounces, alive, {}, at(5, 11)).hold == hold);
  }
}

TEST_CASE("soft bounces: the rule's own numbers, and what it counted") {
  const std::vector<Time> bounces{at(0), at(0), at(1), at(3)};
  const std::vector<Time> none;
  const auto found = judge(bounces, none, {}, at(4));
  CHECK(found.bounces == 4);
  CHECK(found.days == 3);
  CHECK_FALSE(found.hold);
  CHECK(judge(bounces, none, {.bounces = 4}, at(4)).hold);
  CHECK_FALSE(judge(bounces, none, {.bounces = 4, .days = 4}, at(4)).hold);
  CHECK_FALSE(judge(bounces, none, {.bounces = 4, .within = std::chrono::hours{72}}, at(4)).hold);
  CHECK(judge(bounces, none, {.bounces = 1, .days = 1}, at(3)).hold);
  CHECK_FALSE(judge(bounces, none, {.bounces = 0}, at(4)).hold);
}
