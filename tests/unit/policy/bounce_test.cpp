#include "policy/bounce.h"

#include <doctest/doctest.h>

using namespace postern::policy;

TEST_CASE("every word for a reason is read back") {
  for (std::uint8_t i = 0; i < bounce_reasons; ++i) {
    const auto reason = static_cast<BounceReason>(i);
    CHECK(parse_bounce_reason(to_string(reason)) == reason);
  }
  CHECK_FALSE(parse_bounce_reason("").has_value());
  CHECK_FALSE(parse_bounce_reason("User-Unknown").has_value());
  CHECK(to_string(BounceReason::suppressed) == "suppressed");
  CHECK(to_string(ReturnType::auto_reply) == "auto-reply");
}

TEST_CASE("hard is said of four reasons only") {
  int hard = 0;
  for (std::uint8_t i = 0; i < bounce_reasons; ++i) {
    hard += class_of(static_cast<BounceReason>(i)) == BounceClass::hard;
  }
  CHECK(hard == 4);
  CHECK(class_of(BounceReason::not_accepting) == BounceClass::hard);
  CHECK(class_of(BounceReason::disabled) == BounceClass::soft);
  CHECK(class_of(BounceReason::mailbox_full) == BounceClass::soft);
}
