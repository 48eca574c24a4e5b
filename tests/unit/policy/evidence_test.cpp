// What evidence speaks of, and what a sender reads of it.
#include "policy/evidence.h"

#include <set>

#include <doctest/doctest.h>

using namespace postern::policy;

TEST_CASE("evidence: only what is about the mailbox can suppress") {
  using enum BounceReason;
  const std::set<BounceReason> mailbox{user_unknown,  domain_unknown, moved,
                                       not_accepting, disabled,       mailbox_full};
  for (std::uint8_t i = 0; i < bounce_reasons; ++i) {
    const auto reason = static_cast<BounceReason>(i);
    CAPTURE(to_string(reason));
    CHECK(is_about_mailbox(reason) == mailbox.contains(reason));
    // A hard bounce is always about the mailbox.
    if (class_of(reason) == BounceClass::hard) CHECK(is_about_mailbox(reason));
  }
}

TEST_CASE("evidence: codes are digits and dots, or none") {
  CHECK(kept_status("5.1.1") == "5.1.1");
  CHECK(kept_status("5.7.1234567") == "5.7.1234567");
  for (const char* const bad : {"", "5.7.12345678", "5.1.1 ", "X.5.0", "5.1.1\n"}) {
    CHECK(kept_status(bad).empty());
  }
}

TEST_CASE("evidence: the note has the code once") {
  const ReturnEvidence unknown{ReturnType::bounce, BounceReason::user_unknown, "5.1.1"};
  CHECK(note_of(unknown, "550 5.1.1 no such user") == "550 5.1.1 no such user");
  CHECK(note_of(unknown, "550 no such user") == "5.1.1 550 no such user");
  CHECK(note_of(unknown, "") == "5.1.1 user-unknown");
  const ReturnEvidence bare{ReturnType::bounce, BounceReason::mailbox_full, ""};
  CHECK(note_of(bare, "over quota") == "over quota");
  CHECK(note_of(bare, "") == "mailbox-full");
  CHECK(note_of({ReturnType::bounce, BounceReason::undefined, ""}, "") == "undefined");
  CHECK(note_of({ReturnType::complaint, BounceReason::undefined, ""}, "").empty());
  CHECK(note_of({ReturnType::unsubscribe, BounceReason::undefined, ""}, "").empty());
}

TEST_CASE("types of return mail are read back by their names") {
  for (std::uint8_t i = 0; i < return_types; ++i) {
    const auto type = static_cast<ReturnType>(i);
    CHECK(parse_return_type(to_string(type)) == type);
  }
  CHECK_FALSE(parse_return_type("Bounce"));
  CHECK_FALSE(parse_return_type(""));
}
