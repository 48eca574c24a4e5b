// What the gate counts, for Prometheus: counters, gauges and histograms with fixed sets of labels,
// rendered as text format 0.0.4. Labels never hold an address, and come from closed sets, the
// configured streams among them.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

// From any thread: one relaxed atomic addition.
class Counter {
 public:
  void add(std::uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

// From any thread.
class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double change) { value_.fetch_add(change, std::memory_order_relaxed); }
  [[nodiscard]] double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_ = 0;
};

// From any thread; `bounds` are upper ones, ascending, in the base unit.
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds);
  void observe(double value);

 private:
  friend class Registry;
  std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;  // one more than bounds
  std::atomic<double> sum_ = 0;
};

// From 1 ms to 10 s: what a person or a mail server waits for.
[[nodiscard]] std::span<const double> seconds_of_a_request();

// Made once and passed by reference. What it gives stays where it is for as long as it lives; the
// same name and labels give the same object. Names that are asked for with another kind are a
// mistake of the program (std::logic_error).
class Registry {
 public:
  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  [[nodiscard]] Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  [[nodiscard]] Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  [[nodiscard]] Histogram& histogram(std::string_view name, std::string_view help,
                                     std::span<const double> bounds, Labels labels = {});
  // Called at each scrape, on the scraper's thread, before the gauges are read.
  void before_scrape(std::function<void()> refresh);

  [[nodiscard]] std::string text() const;

 private:
  struct Series {
    std::string labels;  // as they are rendered, without braces
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
  };
  struct Family {
    std::string name, help, type;
    std::deque<Series> series;
  };
  [[nodiscard]] Series& series(std::string_view name, std::string_view help, std::string_view type,
                               const Labels& labels);
  static void render(const Family& family, const Series& series, std::string& out);

  mutable std::mutex mutex_;  // taken to register and to render, never to count
  std::deque<Family> families_;
  std::deque<std::function<void()>> refreshes_;
};

}  // namespace postern::metrics
