#include "base/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <stdexcept>

#include <fmt/format.h>

namespace postern::metrics {
namespace {

constexpr std::array request_bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                    0.25,  0.5,    1.0,   2.5,  5.0,   10.0};

// Text format 0.0.4: backslash and line feed, in a label's value the quote too.
std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || (quotes && c == '"')) {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string rendered(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", name, escaped(value, true));
  }
  return out;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

template <class Value>
void line(std::string& out, std::string_view name, std::string_view labels, const Value& value) {
  if (labels.empty()) {
    fmt::format_to(std::back_inserter(out), "{} {}\n", name, value);
  } else {
    fmt::format_to(std::back_inserter(out), "{}{{{}}} {}\n", name, labels, value);
  }
}

}  // namespace

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds.begin(), bounds.end()), counts_(bounds.size() + 1) {}

void Histogram::observe(double value) {
  const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  if (value != 0) sum_.fetch_add(value, std::memory_order_relaxed);
}

std::span<const double> seconds_of_a_request() { return request_bounds; }

Registry::Series& Registry::series(std::string_view name, std::string_view help,
                                   std::string_view type, const Labels& labels) {
  auto family = std::ranges::find(families_, name, &Family::name);
  if (family == families_.end()) {
    families_.push_back({std::string(name), std::string(help), std::string(type), {}});
    family = std::prev(families_.end());
  }
  if (family->type != type) throw std::logic_error("two kinds of metric: " + family->name);
  const auto text = rendered(labels);
  const auto found = std::ranges::find(family->series, text, &Series::labels);
  if (found != family->series.end()) return *found;
  return family->series.emplace_back(Series{text, nullptr, nullptr, nullptr});
}

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  const std::scoped_lock lock(mutex_);
  auto& made = series(name, help, "counter", labels);
  if (!made.counter) made.counter = std::make_unique<Counter>();
  return *made.counter;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  const std::scoped_lock lock(mutex_);
  auto& made = series(name, help, "gauge", labels);
  if (!made.gauge) made.gauge = std::make_unique<Gauge>();
  return *made.gauge;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help,
                               std::span<const double> bounds, Labels labels) {
  const std::scoped_lock lock(mutex_);
  auto& made = series(name, help, "histogram", labels);
  if (!made.histogram) made.histogram = std::make_unique<Histogram>(bounds);
  return *made.histogram;
}

void Registry::before_scrape(std::function<void()> refresh) {
  const std::scoped_lock lock(mutex_);
  refreshes_.push_back(std::move(refresh));
}

void Registry::render(const Family& family, const Series& series, std::string& out) {
  if (series.counter) return line(out, family.name, series.labels, series.counter->value());
  if (series.gauge) return line(out, family.name, series.labels, number(series.gauge->value()));
  const auto& histogram = *series.histogram;
  const std::string before = series.labels.empty() ? "" : series.labels + ",";
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < histogram.counts_.size(); ++i) {
    total += histogram.counts_[i].load(std::memory_order_relaxed);
    const auto bound = i < histogram.bounds_.size() ? number(histogram.bounds_[i]) : "+Inf";
    line(out, family.name + "_bucket", fmt::format("{}le=\"{}\"", before, bound), total);
  }
  line(out, family.name + "_sum", series.labels,
       number(histogram.sum_.load(std::memory_order_relaxed)));
  line(out, family.name + "_count", series.labels, total);
}

std::string Registry::text() const {
  std::deque<std::function<void()>> refreshes;
  {
    const std::scoped_lock lock(mutex_);
    refreshes = refreshes_;
  }
  for (const auto& refresh : refreshes) refresh();
  const std::scoped_lock lock(mutex_);
  std::string out;
  for (const auto& family : families_) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", family.name, escaped(family.help, false),
                       family.name, family.type);
    for (const auto& series : family.series) render(family, series, out);
  }
  return out;
}

}  // namespace postern::metrics
