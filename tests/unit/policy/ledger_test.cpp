#include "policy/ledger.h"

#include <array>
#include <set>

#include <doctest/doctest.h>

using namespace postern::policy;

TEST_CASE(
    "ledger: a copy's key is of reverse-path, content and recipient, and of where each ends") {
  const std::array<std::uint8_t, 2> content{'b', 'c'};
  const std::array<std::uint8_t, 1> shorter{'b'};
  const std::set<CopyKey> keys{
      copy_key("a", content, "d"),  copy_key("ab", std::span(content).subspan(1), "d"),
      copy_key("a", shorter, "cd"), copy_key("x", content, "d"),
      copy_key("a", content, "x"),  copy_key("a", shorter, "d"),
      copy_key("", content, "d"),   copy_key("", {}, ""),
  };
  CHECK(keys.size() == 8);
  CHECK(copy_key("a", content, "d") == copy_key("a", content, "d"));
}
