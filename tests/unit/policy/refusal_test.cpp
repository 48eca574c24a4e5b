#include "base/time.h"
#include "policy/decision.h"
#include "policy/unicode.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::policy;

namespace {

Verdict verdict(Reason reason, bool domain_wide = false) {
  return {
      .reason = reason, .domain_wide = domain_wide, .date = *parse_time("2026-03-01"), .event = {}};
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto character = first_character(text);
    if (!character.valid) return false;
    text.remove_prefix(character.size);
  }
  return true;
}

}  // namespace

TEST_CASE("what a sender sees") {
  struct Case {
    Verdict verdict;
    std::string_view address, note, code, text;
  };
  const Case cases[] = {
      {verdict(Reason::unsubscribed), "a@b", "", "5.7.1",
       "<a@b>: recipient unsubscribed on 2026-03-01"},
      {verdict(Reason::unsubscribed), "a@b", "said so", "5.7.1",
       "<a@b>: recipient unsubscribed on 2026-03-01"},
      {verdict(Reason::complained), "a@b", "x", "5.7.1",
       "<a@b>: recipient complained on 2026-03-01"},
      {verdict(Reason::bounced), "a@b", "550 5.1.1 no such user", "5.1.1",
       "<a@b>: earlier mail bounced on 2026-03-01: 550 5.1.1 no such user"},
      {verdict(Reason::bounced), "a@b", "", "5.1.1", "<a@b>: earlier mail bounced on 2026-03-01"},
      {verdict(Reason::bounced), "a@b", " \r\n ", "5.1.1",
       "<a@b>: earlier mail bounced on 2026-03-01"},
      {verdict(Reason::blocked), "a@b", "", "5.7.1", "<a@b>: blocked on 2026-03-01"},
      {verdict(Reason::blocked), "a@b", "legal", "5.7.1", "<a@b>: blocked on 2026-03-01: legal"},
      {verdict(Reason::blocked, true), "a@b", "legal", "5.7.1",
       "<a@b>: blocked (whole domain) on 2026-03-01: legal"},
      {verdict(Reason::no_consent), "a@b", "", "5.7.1",
       "<a@b>: no recorded consent to mail of this stream"},
      {verdict(Reason::unsubscribed), "", "", "5.7.1", "recipient unsubscribed on 2026-03-01"},
      {verdict(Reason::bounced), "", "gone", "5.1.1", "earlier mail bounced on 2026-03-01: gone"},
  };
  for (const auto& [given, address, note, code, text] : cases) {
    const auto result = refusal(given, address, note, false);
    CHECK(result.code == 550);
    CHECK(result.enhanced_status_code == code);
    CHECK(result.text == text);
  }
  CHECK(refusal(verdict(Reason::none), "a@b", "x", true).code == 0);
  CHECK(refusal(verdict(Reason::none), "a@b", "x", true).text.empty());
}

TEST_CASE("one line, and ASCII unless the client reads UTF-8") {
  const auto text = [](std::string_view address, std::string_view note, bool utf8) {
    return refusal(verdict(Reason::blocked), address, note, utf8).text;
  };
  CHECK(text("a@b", "x\r\n250 ok\ty\x7F", false) == "<a@b>: blocked on 2026-03-01: x  250 ok y");
  CHECK(text("a@b", "gr\u00FC\u00DFe \u20AC", false) == "<a@b>: blocked on 2026-03-01: gr??e ?");
  CHECK(text("a@b", "gr\u00FC\u00DFe \u20AC", true) ==
        "<a@b>: blocked on 2026-03-01: gr\u00FC\u00DFe \u20AC");
  CHECK(text("\u00FC@b", "", false) == "<?@b>: blocked on 2026-03-01");
  CHECK(text("\u00FC@b", "", true) == "<\u00FC@b>: blocked on 2026-03-01");
  CHECK(text("a@b", "x\u0085y\u2028z", true) == "<a@b>: blocked on 2026-03-01: x y z");
  CHECK(text("a@b", "x\xFFy\xE2\x82", true) == "<a@b>: blocked on 2026-03-01: x?y??");
  CHECK(text("a@b", std::string_view("x\0y", 3), false) == "<a@b>: blocked on 2026-03-01: x y");
}

TEST_CASE("at most 200 octets, and the date is always among them") {
  for (const auto reason : {Reason::unsubscribed, Reason::complained, Reason::bounced,
                            Reason::blocked, Reason::no_consent}) {
    for (const std::string_view character : {"a", "\u00FC", "\u20AC", "\U0001F600"}) {
      for (std::size_t count = 0; count < 220; ++count) {
        std::string local_part;
        for (std::size_t i = 0; i < count; ++i) local_part += character;
        const std::string address = local_part + "@end.example";
        for (const bool utf8 : {false, true}) {
          for (const bool domain_wide : {false, true}) {
            const auto result = refusal(verdict(reason, domain_wide), address, local_part, utf8);
            REQUIRE(result.text.size() <= 200);
            REQUIRE(is_utf8(result.text));
            REQUIRE(result.text.starts_with("<"));
            REQUIRE(result.text.find("@end.example>: ") != std::string::npos);
            if (reason != Reason::no_consent)
              REQUIRE(result.text.find(" on 2026-03-01") != std::string::npos);
          }
        }
      }
    }
  }
}

TEST_CASE("a long address loses its middle, a long note its end") {
  const std::string local_part = "begin" + std::string(300, 'x');
  const auto address = refusal(verdict(Reason::complained), local_part + "@end.example", "", false);
  CHECK(address.text.size() == 200);
  CHECK(address.text.starts_with("<beginx"));
  CHECK(address.text.find("xxx...xxx") != std::string::npos);
  CHECK(address.text.ends_with("x@end.example>: recipient complained on 2026-03-01"));

  const auto note =
      refusal(verdict(Reason::bounced), "a@b", "begin " + std::string(300, 'x'), false);
  CHECK(note.text.size() == 200);
  CHECK(note.text.starts_with("<a@b>: earlier mail bounced on 2026-03-01: begin xxx"));

  // Room for the colon alone: it goes with the note.
  const std::string fixed = "<@b>: blocked on 2026-03-01";
  const std::string filling = std::string(198 - fixed.size(), 'x') + "@b";
  const auto tight = refusal(verdict(Reason::blocked), filling, "note", false);
  CHECK(tight.text.size() == 198);
  CHECK(tight.text.ends_with("2026-03-01"));
}
