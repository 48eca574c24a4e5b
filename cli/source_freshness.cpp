#include "cli/source_freshness.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {
namespace {

using std::chrono::seconds;

bool counts_for(const store::ImportRecord& import, std::string_view source) {
  return import.source == source && import.ended && !import.undone &&
         brought_something(import.counts);
}

}  // namespace

bool brought_something(const store::ImportCounts& counts) {
  return counts.rows == 0 || counts.rejected < counts.rows;
}

seconds patience(const SourceConfig& source) {
  return std::chrono::floor<seconds>(source.stale_after);
}

const store::ImportRecord* newest_import(std::span<const store::ImportRecord> imports,
                                         std::string_view source) {
  const store::ImportRecord* newest = nullptr;
  for (const auto& import : imports) {
    if (!counts_for(import, source)) continue;
    if (newest == nullptr || *import.ended >= *newest->ended) newest = &import;
  }
  return newest;
}

bool is_stale(const SourceConfig& source, Time last, Time now) {
  return patience(source) > seconds{0} && now - last > patience(source);
}

std::string describe_silence(const SourceConfig& source, Time last, Time now) {
  return fmt::format("nothing for {} (stale_after {})", in_words(now - last),
                     in_words(patience(source)));
}

std::string in_words(seconds span) {
  static constexpr std::array<std::pair<std::string_view, seconds>, 3> units{
      {{"days", std::chrono::days{1}},
       {"hours", std::chrono::hours{1}},
       {"minutes", std::chrono::minutes{1}}}};
  for (const auto& [name, unit] : units) {
    if (span >= 2 * unit) return fmt::format("{} {}", span / unit, name);
  }
  return span == seconds{1} ? "1 second" : fmt::format("{} seconds", span.count());
}

}  // namespace postern::cli
