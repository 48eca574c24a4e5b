#include "proxy/partial_deliveries.h"

#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using postern::Time;
using postern::proxy::PartialDeliveries;
using std::chrono::days;
using std::chrono::hours;

namespace {

constexpr Time now{std::chrono::seconds{1'800'000'000}};

std::vector<PartialDeliveries::Pair> pairs_to(std::initializer_list<std::string> recipients) {
  std::vector<PartialDeliveries::Pair> pairs;
  for (const auto& recipient : recipients) {
    pairs.push_back(PartialDeliveries::pair_of("news@example.org", recipient));
  }
  return pairs;
}

}  // namespace

TEST_CASE(
    "A recipient is known while copies are under way, and for as long as they may come again") {
  PartialDeliveries partial;
  const auto knows = [&](const char* recipient, Time when) {
    return partial.knows("news@example.org", recipient, when);
  };
  CHECK_FALSE(knows("a@example.net", now));
  CHECK_FALSE(partial.knows_any(now));
  const auto pairs = pairs_to({"a@example.net", "b@example.net"});
  partial.begin(pairs, now);
  CHECK(knows("a@example.net", now + days{30}));
  CHECK_FALSE(knows("c@example.net", now));
  CHECK_FALSE(partial.knows("other@example.org", "a@example.net", now));
  partial.end(pairs, now + days{7}, now);
  CHECK(knows("a@example.net", now + days{6}));
  CHECK(knows("b@example.net", now + days{6}));
  CHECK_FALSE(knows("b@example.net", now + days{7}));
}

TEST_CASE("Another message to the same recipient takes nothing back") {
  PartialDeliveries partial;
  const auto pairs = pairs_to({"a@example.net"});
  partial.begin(pairs, now);
  partial.end(pairs, now + days{7}, now);
  partial.begin(pairs, now);
  partial.end(pairs, {}, now);
  CHECK(partial.knows("news@example.org", "a@example.net", now));

  const auto both = pairs_to({"b@example.net"});
  partial.begin(both, now);
  partial.begin(both, now);
  partial.end(both, {}, now);
  CHECK(partial.knows("news@example.org", "b@example.net", now));
  partial.end(both, {}, now);
  CHECK_FALSE(partial.knows("news@example.org", "b@example.net", now));
}

TEST_CASE("Expired pairs make room") {
  PartialDeliveries partial(16);
  for (int i = 0; i < 1'000; ++i) {
    const Time when = now + hours{i};
    const auto pairs = pairs_to({"r" + std::to_string(i) + "@example.net"});
    partial.begin(pairs, when);
    partial.end(pairs, when + std::chrono::minutes{1}, when);
  }
  CHECK_FALSE(partial.knows("news@example.org", "never@example.net", now + hours{1'001}));
}

TEST_CASE("Where there is no room for more, everybody is known") {
  PartialDeliveries partial(2);
  const auto pairs = pairs_to({"a@example.net", "b@example.net", "c@example.net"});
  partial.begin(pairs, now);
  CHECK(partial.knows("news@example.org", "c@example.net", now));
  CHECK(partial.knows("news@example.org", "never@example.net", now));
  partial.end(pairs, now + days{7}, now + hours{1});
  CHECK(partial.knows("news@example.org", "c@example.net", now + days{6}));
  CHECK_FALSE(partial.knows("news@example.org", "c@example.net", now + days{7}));
}

TEST_CASE("What a former process left on record names nobody: everybody is known until then") {
  PartialDeliveries partial;
  partial.know_all(now + days{2});
  partial.know_all(now + days{1});
  CHECK(partial.knows("news@example.org", "a@example.net", now + days{1}));
  CHECK_FALSE(partial.knows("news@example.org", "a@example.net", now + days{2}));
}
