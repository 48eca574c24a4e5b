#include "store/rows/row.h"

#include <string_view>

#include <doctest/doctest.h>

using namespace postern::rows;

TEST_CASE("statuses, in the words of many tools") {
  struct Case {
    std::string_view input;
    Status want;
  };
  const Case cases[] = {
      {"unsubscribed", Status::unsubscribed},
      {"Unsubscribe", Status::unsubscribed},
      {"opted-out", Status::unsubscribed},
      {"OPT_OUT", Status::unsubscribed},
      {"Abgemeldet", Status::unsubscribed},
      {"D\xC3\xA9sinscrit", Status::unsubscribed},
      {"BOUNCE", Status::bounced},
      {"hard_bounce", Status::bounced},
      {"HardBounce", Status::bounced},
      {"cleaned", Status::bounced},
      {"COMPLAINT", Status::complained},
      {"Spam Complaint", Status::complained},
      {"spam", Status::complained},
      {"blocklisted", Status::blocked},
      {"Blocked", Status::blocked},
      {"subscribed", Status::subscribed},
      {"Opted In", Status::subscribed},
  };
  for (const auto& [input, want] : cases) {
    CAPTURE(input);
    CHECK(parse_status(input) == want);
  }
  // Neither is a consent or an opt-out.
  for (const std::string_view input : {"", "active", "enabled", "soft bounce", "4.2.2", "gone"}) {
    CAPTURE(input);
    CHECK_FALSE(parse_status(input));
  }
  for (const auto status : {Status::subscribed, Status::unsubscribed, Status::bounced,
                            Status::complained, Status::blocked}) {
    CHECK(parse_status(to_string(status)) == status);
  }
}
