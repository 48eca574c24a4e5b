#include "policy/classify/codes.h"

#include <doctest/doctest.h>

using namespace postern::classify;

namespace {

std::string codes_of(std::string_view text) {
  std::string out;
  for (const auto& code : enhanced_codes(text)) out += (out.empty() ? "" : " ") + to_string(code);
  return out;
}

std::string counting(std::string_view field, std::string_view diagnostic) {
  const auto code = counting_code(field, diagnostic);
  return code ? to_string(*code) : "";
}

}  // namespace

TEST_CASE("enhanced codes that stand in a text") {
  const struct {
    std::string_view text;
    std::string_view want;
    std::string_view why;
  } cases[] = {
      {"550 5.1.1 user unknown", "5.1.1", "the usual place"},
      {"550-5.7.1 no\n550 5.7.1 never", "5.7.1 5.7.1", "a reply of several lines"},
      {"no such user (#5.1.1)", "5.1.1", "qmail's"},
      {"<421 4.4.2 timed out>", "4.4.2", "in brackets"},
      {"5.7.606", "5.7.606", "Exchange's detail"},
      {"It was 5.1.1.", "5.1.1", "a full stop is none of it"},
      {"smtp;5.1.1", "5.1.1", "no blank"},
      {"2.1.5 relayed", "", "no failure"},
      {"3.1.1", "", "no class"},
      {"5.8.1", "", "no subject"},
      {"5.1.1000", "", "too long a detail"},
      {"5.01.1", "", "leading zero"},
      {"5.1", "", "two parts"},
      {"5.1.1.2", "", "an IP address"},
      {"[4.2.2.1]", "", "an IP address in brackets"},
      {"192.5.1.1", "", "an IP address's end"},
      {"Exim 4.7.1 said", "", "a version"},
      {"MDaemon 5.0.1 ready", "", "a version"},
      {"version 5.1.1", "", "a version"},
      {"v5.1.1", "", "a version"},
      {"mx-5.1.1.example", "", "a host name"},
      {"lib/5.1.1", "", "a path"},
      {"5.1.1-2", "", "a package's version"},
      {"5.1.1-beta", "5.1.1", "what follows a hyphen may be words"},
      {"5.1.1beta", "", "a version"},
      {"", "", "nothing"},
  };
  for (const auto& [text, want, why] : cases) {
    CAPTURE(text);
    CAPTURE(why);
    CHECK(codes_of(text) == want);
  }
}

TEST_CASE("the code that counts") {
  const struct {
    std::string_view field;
    std::string_view diagnostic;
    std::string_view want;
    std::string_view why;
  } cases[] = {
      {"5.1.1", "", "5.1.1", "the field"},
      {"", "550 5.1.1 gone", "5.1.1", "the text, where there is no field"},
      {"5.0.0", "550 5.7.1 no", "5.7.1", "the text, where the field says nothing"},
      {"5.0.0", "554 5.6.0 spam", "5.6.0", "a subject is more than nothing"},
      {"5.5.0", "550 5.1.1 gone", "5.1.1", "a detail is more than a subject"},
      {"5.1.1", "550 5.7.1 no", "5.7.1", "the text, where both say something"},
      {"5.2.0", "550 5.1.0 x", "5.1.0", "the text, where both say little"},
      {"4.4.7", "554 4.4.7 expired <421 4.4.2 timed out>", "4.4.2", "why it took so long"},
      {"4.4.7", "expired", "4.4.7", "nothing better"},
      {"5.2.1 (mailbox disabled)", "", "5.2.1", "with a comment"},
      {"", "550 5.0.0 x 5.1.1 y 5.2.2", "5.1.1", "the first of those that say most"},
      {"", "", "", "none"},
      {"none", "550 user unknown", "", "none stands there"},
  };
  for (const auto& [field, diagnostic, want, why] : cases) {
    CAPTURE(why);
    CHECK(counting(field, diagnostic) == want);
  }
}

TEST_CASE("the reply code") {
  const struct {
    std::string_view text;
    int want;
  } cases[] = {
      {"550 5.1.1 x", 550},
      {"smtp;550-x", 550},
      {"said: 421 later", 421},
      {"250 fine", 0},
      {"in 1550 ms", 0},
      {"550x", 0},
      {"192.0.2.550", 0},
      {"#550 x", 0},
      {"(452)", 452},
      {"560 x", 0},
      {"port 25 then 554", 554},
      {"", 0},
      {"5.5.0 only", 0},
      {"ERROR_CODE :550, x", 550},
  };
  for (const auto& [text, want] : cases) {
    CAPTURE(text);
    const auto codes = reply_codes(text);
    CHECK((codes.empty() ? 0 : codes.front()) == want);
  }
  CHECK(reply_codes("421 later; 550-5.1.1 no\n550 5.1.1 no") ==
        std::vector<std::uint16_t>{421, 550, 550});
}

TEST_CASE("patterns of codes") {
  const auto status = [](std::string_view pattern, std::string_view code) {
    return parse_status_pattern(pattern)->matches(*parse_enhanced_code(code));
  };
  CHECK(status("5.1.1", "5.1.1"));
  CHECK_FALSE(status("5.1.1", "4.1.1"));
  CHECK(status("*.2.2", "4.2.2"));
  CHECK(status("*.2.2", "5.2.2"));
  CHECK(status("5.7.606-649", "5.7.606"));
  CHECK(status("5.7.606-649", "5.7.649"));
  CHECK_FALSE(status("5.7.606-649", "5.7.650"));
  CHECK(status("5.*.*", "5.7.999"));
  CHECK(parse_status_pattern("none")->matches(std::optional<EnhancedCode>()));
  CHECK_FALSE(status("none", "5.1.1"));
  CHECK_FALSE(parse_status_pattern("*.*.*")->matches(std::optional<EnhancedCode>()));
  const auto reply = [](std::string_view pattern, std::uint16_t code) {
    return parse_reply_pattern(pattern)->matches(code);
  };
  CHECK(reply("550", 550));
  CHECK_FALSE(reply("550", 551));
  CHECK(reply("55x", 559));
  CHECK_FALSE(reply("55x", 540));
  CHECK(reply("4XX", 421));
  for (const auto* bad : {"", "5", "5.1", "5.1.", "5.1.1.1", "2.1.1", "6.1.1", "5.8.1", "5.1.1000",
                          "5.1.-1", "5.1.2-", "a.b.c", "5.1.*1"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_status_pattern(bad).has_value());
  }
  for (const auto* bad : {"", "55", "5500", "250", "5y0", "x50"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_reply_pattern(bad).has_value());
  }
}
