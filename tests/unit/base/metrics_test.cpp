#include "base/metrics.h"

#include <array>
#include <stdexcept>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;

TEST_CASE("metrics: text format 0.0.4") {
  metrics::Registry registry;
  registry.counter("postern_a_total", "How many a.", {{"via", "page"}}).add(3);
  registry.counter("postern_a_total", "How many a.", {{"via", "a \"b\"\\c\nd"}}).add();
  registry.gauge("postern_b_bytes", "Line\nfeed \\ backslash.").set(1.5);
  constexpr std::array bounds{0.1, 1.0};
  auto& histogram = registry.histogram("postern_c_seconds", "Time.", bounds, {{"x", "y"}});
  histogram.observe(0.1);
  histogram.observe(0.5);
  histogram.observe(7);
  CHECK(registry.text() ==
        "# HELP postern_a_total How many a.\n"
        "# TYPE postern_a_total counter\n"
        "postern_a_total{via=\"page\"} 3\n"
        "postern_a_total{via=\"a \\\"b\\\"\\\\c\\nd\"} 1\n"
        "# HELP postern_b_bytes Line\\nfeed \\\\ backslash.\n"
        "# TYPE postern_b_bytes gauge\n"
        "postern_b_bytes 1.5\n"
        "# HELP postern_c_seconds Time.\n"
        "# TYPE postern_c_seconds histogram\n"
        "postern_c_seconds_bucket{x=\"y\",le=\"0.1\"} 1\n"
        "postern_c_seconds_bucket{x=\"y\",le=\"1\"} 2\n"
        "postern_c_seconds_bucket{x=\"y\",le=\"+Inf\"} 3\n"
        "postern_c_seconds_sum{x=\"y\"} 7.6\n"
        "postern_c_seconds_count{x=\"y\"} 3\n");
}

TEST_CASE("metrics: the same name and labels are the same object, another kind is a mistake") {
  metrics::Registry registry;
  auto& one = registry.counter("postern_a_total", "A.", {{"x", "1"}});
  auto& other = registry.counter("postern_a_total", "A.", {{"x", "2"}});
  CHECK(&one == &registry.counter("postern_a_total", "A.", {{"x", "1"}}));
  CHECK(&one != &other);
  CHECK_THROWS_AS(static_cast<void>(registry.gauge("postern_a_total", "A.")), std::logic_error);
}

TEST_CASE("metrics: counted from several threads, refreshed before each scrape") {
  metrics::Registry registry;
  auto& counter = registry.counter("postern_a_total", "A.");
  auto& gauge = registry.gauge("postern_b", "B.");
  registry.before_scrape([&] { gauge.add(1); });
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10'000; ++j) counter.add();
    });
  }
  threads.clear();
  CHECK(registry.text().contains("\npostern_a_total 40000\n"));
  CHECK(registry.text().contains("\npostern_b 2\n"));
}
