#include "base/repeated_warnings.h"

#include "../captured_log.h"

#include <chrono>
#include <string>

using namespace postern;
using namespace std::chrono_literals;

TEST_CASE("repeated warnings: the first at once, the others once a minute with their number") {
  RepeatedWarnings warnings;
  const RepeatedWarnings::Clock::time_point begin{};
  const auto first = captured_log([&] {
    for (int i = 0; i < 1000; ++i) warnings.warn("too many", ", as from 192.0.2.1", begin);
    warnings.warn("other", "", begin);
    warnings.look(begin + 59s);
  });
  CHECK(count_of(first, "\n") == 2);
  CHECK(first.contains(" warning too many, as from 192.0.2.1\n"));
  CHECK(first.contains(" warning other\n"));

  const auto minute = captured_log([&] { warnings.look(begin + 60s); });
  CHECK(count_of(minute, "\n") == 1);
  CHECK(minute.contains(" warning too many (999 more times within the last minute)\n"));

  // The next minute has begun; when it was quiet, the next one is a first one.
  CHECK(captured_log([&] {
          warnings.warn("too many", "", begin + 61s);
          warnings.look(begin + 119s);
        }).empty());
  CHECK(captured_log([&] { warnings.look(begin + 120s); }).contains("too many (1 more"));
  CHECK(captured_log([&] { warnings.look(begin + 180s); }).empty());
  CHECK(captured_log([&] { warnings.warn("too many", "", begin + 181s); }) != "");
}

TEST_CASE("repeated warnings: bounded, whatever comes") {
  RepeatedWarnings warnings;
  const RepeatedWarnings::Clock::time_point begin{};
  const auto said = captured_log([&] {
    for (int i = 0; i < 100'000; ++i) warnings.warn("kind " + std::to_string(i), "", begin);
  });
  CHECK(count_of(said, "\n") < 300);
  CHECK(said.contains("more kinds of warnings"));
}
