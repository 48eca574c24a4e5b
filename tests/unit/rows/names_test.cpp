#include "store/rows/names.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern::rows;

TEST_CASE("names, however they are spelled") {
  struct Case {
    std::string_view input, want;
  };
  const Case cases[] = {
      {"Email Address", "emailaddress"},
      {" e-mail_ADDRESS: ", "emailaddress"},
      {"D\xC3\xA9sinscrit le", "desinscritle"},
      {"De\xCC\x81sinscrit", "desinscrit"},  // an accent of its own
      {"\xC3\x89tat", "etat"},
      {"Empf\xC3\xA4nger", "empfanger"},
      {"\xD0\x98\xD0\xBC\xD1\x8F", "\xD0\x98\xD0\xBC\xD1\x8F"},  // other scripts stay
      {"", ""},
      {" -._", ""},
      {"\xC3", "\xC3"},
  };
  for (const auto& [input, want] : cases) {
    CAPTURE(input);
    CHECK(plain_name(input) == want);
  }
}

TEST_CASE("yes and no") {
  for (const std::string_view yes : {"TRUE", "true", "1", "Yes", "x", "ja", "oui", "s\xC3\xAD"}) {
    CAPTURE(yes);
    CHECK(truth_of(yes) == Truth::yes);
  }
  for (const std::string_view no : {"FALSE", "0", "no", "nein", "non", "null", "N/A"}) {
    CAPTURE(no);
    CHECK(truth_of(no) == Truth::no);
  }
  CHECK(truth_of("") == Truth::empty);
  CHECK(truth_of(" - ") == Truth::empty);
  CHECK(truth_of("MAILBOX_FULL") == Truth::other);
  CHECK(truth_of("2026-03-01") == Truth::other);
}

TEST_CASE("lists become streams") {
  CHECK(stream_for("newsletter") == "newsletter");
  CHECK(stream_for("Marketing Information") == "Marketing-Information");
  CHECK(stream_for(" Angebote & Mehr! ") == "Angebote-Mehr");
  CHECK(stream_for("-as-it-is-") == "-as-it-is-");
  CHECK(stream_for("!!!").empty());
  CHECK(stream_for("").empty());
  CHECK(stream_for("All").empty());
  CHECK(stream_for(std::string(200, 'n')) == std::string(64, 'n'));
}
