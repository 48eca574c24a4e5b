#include "cli/source_freshness.h"

#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::cli;
using namespace std::chrono_literals;

namespace {

constexpr Time day{std::chrono::days{20'000}};

store::ImportRecord import_of(std::string_view source, Time ended, std::uint64_t rows = 10,
                              std::uint64_t rejected = 0) {
  store::ImportRecord record;
  record.name = source;
  record.source = source;
  record.ended = ended;
  record.counts.rows = rows;
  record.counts.rejected = rejected;
  return record;
}

SourceConfig source_with(std::chrono::milliseconds stale_after) {
  SourceConfig source;
  source.name = "shop";
  source.stale_after = stale_after;
  return source;
}

}  // namespace

TEST_CASE("source freshness: the newest import that brought something") {
  auto broken_off = import_of("shop", day);
  broken_off.ended.reset();
  auto undone = import_of("shop", day);
  undone.undone = day;
  struct Case {
    std::vector<store::ImportRecord> imports;
    std::optional<Time> want;
    std::string_view why;
  };
  for (const auto& [imports, want, why] :
       {Case{{}, std::nullopt, "none"},
        Case{{import_of("other", day)}, std::nullopt, "another source's"},
        Case{{import_of("shop", day - 2h), import_of("shop", day - 1h)}, day - 1h, "two"},
        Case{{import_of("shop", day - 1h), import_of("shop", day - 2h)},
             day - 1h,
             "a clock that was set back"},
        Case{{import_of("shop", day - 1h), import_of("other", day)}, day - 1h, "others between"},
        Case{{import_of("shop", day - 1h), broken_off}, day - 1h, "broken off"},
        Case{{import_of("shop", day - 1h), undone}, day - 1h, "undone"},
        Case{{import_of("shop", day - 1h), import_of("shop", day, 10, 10)},
             day - 1h,
             "every row was rejected"},
        Case{{import_of("shop", day, 10, 9)}, day, "some rows were rejected"},
        Case{{import_of("shop", day, 0, 0)}, day, "an export of nobody"}}) {
    CAPTURE(why);
    const auto* newest = newest_import(imports, "shop");
    CHECK((newest == nullptr ? std::nullopt : newest->ended) == want);
  }
}

TEST_CASE("source freshness: stale is longer than stale_after, and never where there is none") {
  const auto source = source_with(35 * 24h);
  CHECK_FALSE(is_stale(source, day, day + 35 * 24h));
  CHECK(is_stale(source, day, day + 35 * 24h + 1s));
  CHECK_FALSE(is_stale(source, day, day - 1h));
  CHECK_FALSE(is_stale(source_with(0ms), day, day + 10'000 * 24h));
  CHECK(describe_silence(source, day, day + 40 * 24h + 5h) ==
        "nothing for 40 days (stale_after 35 days)");
}

TEST_CASE("source freshness: spans as people say them") {
  struct Case {
    std::chrono::seconds span;
    std::string_view want;
  };
  for (const auto& [span, want] :
       {Case{0s, "0 seconds"}, Case{1s, "1 second"}, Case{119s, "119 seconds"},
        Case{2min, "2 minutes"}, Case{119min, "119 minutes"}, Case{24h, "24 hours"},
        Case{47h, "47 hours"}, Case{48h, "2 days"}, Case{71h, "2 days"}}) {
    CHECK(in_words(span) == want);
  }
}
