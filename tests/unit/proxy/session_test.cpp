// Every dialogue of tests/dialogs: as it stands, cut into pieces of every small size, and broken
// off at every octet.
#include "proxy/session.h"

#include "base/log.h"
#include "script.h"

#include <doctest/doctest.h>

using namespace postern;

namespace {
// Thousands of sessions are played: their log would hide what failed.
const bool quiet = [] {
  log::start(log::Level::error);
  return true;
}();
}  // namespace

TEST_CASE("dialogues: as they stand") {
  const auto files = test::all_scripts();
  REQUIRE(files.size() > 20);
  for (const auto& file : files) {
    const auto script = test::read_script(file);
    CAPTURE(script.name);
    CHECK(test::play(script, {}).mismatch == "");
  }
}

TEST_CASE("dialogues: every refusal is told to the traffic log once, every delivery likewise") {
  for (const auto& file : test::all_scripts()) {
    const auto script = test::read_script(file);
    CAPTURE(script.name);
    const auto outcome = test::play(script, {});
    CHECK(outcome.refusals_told == outcome.refusals);
    // Copies of one message are told of together.
    if (script.has("split")) continue;
    CHECK(outcome.deliveries_told == outcome.positive_ends);
  }
}

TEST_CASE("dialogues: the client's octets however they are cut, and partial writes") {
  for (const auto& file : test::all_scripts()) {
    const auto script = test::read_script(file);
    CAPTURE(script.name);
    if (script.has("whole")) continue;
    for (const std::size_t chunk : {1U, 2U, 3U, 5U, 7U, 11U, 64U}) {
      CAPTURE(chunk);
      CHECK(test::play(script, {.chunk = chunk}).mismatch == "");
    }
    CHECK(test::play(script, {.write_limit = 1}).mismatch == "");
  }
}

TEST_CASE(
    "dialogues: a client that goes away after any octet takes nobody with it, ends no message, and "
    "its refusals are told all the same") {
  for (const auto& file : test::all_scripts()) {
    const auto script = test::read_script(file);
    CAPTURE(script.name);
    const auto whole = test::play(script, {});
    for (std::size_t octets = 0; octets < whole.client_octets; ++octets) {
      CAPTURE(octets);
      const auto outcome = test::play(script, {.cut_after = octets});
      CHECK(outcome.session_ended);
      CHECK(outcome.messages_upstream <= whole.messages_upstream);
      CHECK(outcome.refusals_told == outcome.refusals);
      CHECK(outcome.deliveries_told <= outcome.positive_ends);
    }
  }
}
