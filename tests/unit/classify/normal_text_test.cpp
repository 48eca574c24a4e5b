#include "policy/classify/normal_text.h"

#include <doctest/doctest.h>

using namespace postern::classify;

TEST_CASE("one spelling for what means the same") {
  const struct {
    std::string_view text;
    std::string_view want;
    std::string_view why;
  } cases[] = {
      {"User  Unknown", "user unknown", "case and blanks"},
      {"\r\n User\t unknown \n", "user unknown", "line breaks and ends"},
      {"BENUTZER NICHT VERFÜGBAR", "benutzer nicht verfügbar", "case beyond ASCII"},
      {"НЕТ", "нет", "Cyrillic"},
      {"n\u2019existe\u00A0pas", "n'existe pas", "typographic apostrophe, no-break space"},
      {"\u201Cuser\u201D", "\"user\"", "typographic quotes"},
      {"e\u0301crit", "\u00E9crit", "composed"},
      {"user\xFFname", "user?name", "no UTF-8"},
      {"<nina@example.com> unknown", "@ unknown", "address in brackets"},
      {"nina@example.com... User unknown", "@... user unknown",
       "Sendmail's dots are no part of it"},
      {"to 'nina@example.com', failed", "to @', failed", "a quote may begin a local part"},
      {"<nina@example.com>: <hans@example.com>", "@: @", "several"},
      {"a @ b", "a @ b", "no address"},
      {"@example.com", "@example.com", "no local part"},
      {"see https://example.com/?p=Gone", "see https://example.com/?p=gone", "a URL stays"},
      {"550-5.1.1 The account\n550-5.1.1 is gone.\n550 5.1.1 Bye", "the account is gone. bye",
       "a reply of several lines"},
      {"550-The account\n550 is gone", "the account is gone", "without enhanced codes"},
      {"550 5.1.1 gone", "550 5.1.1 gone", "one line keeps its codes"},
      {"552 messages", "552 messages", "a number is no further line"},
      {"見つ\n かりません", "見つかりません", "lines break anywhere in Japanese"},
      {"宛先 user", "宛先 user", "but a blank before Latin letters stays"},
      {"사용자가 없습니다", "사용자가 없습니다", "Korean has blanks"},
      {std::string_view("a\0b", 3), "a b", "NUL is a blank"},
      {"", "", "nothing"},
  };
  for (const auto& [text, want, why] : cases) {
    CAPTURE(why);
    CHECK(normal_text(text) == want);
  }
}

TEST_CASE("what was made normal stays as it is") {
  for (const auto* text : {"User Unknown", "<a@b.example>: It\u2019s 見つ かり", "550 5.1.1 x"}) {
    const auto once = normal_text(text);
    CHECK(normal_text(once) == once);
  }
}

TEST_CASE("of a long text the beginning is read") {
  CHECK(normal_text(std::string(max_text + 100, 'a')).size() == max_text);
}

TEST_CASE("parts of words and of host names") {
  const std::string_view text = "spam-gate.example.net is no spammer, says spam.";
  const auto at = [&](std::string_view part, std::size_t from) { return text.find(part, from); };
  const auto first = at("spam", 0);
  const auto second = at("spam", 10);
  const auto third = at("spam", second + 1);
  CHECK(within_host_name(text, first, first + 4));
  CHECK(begins_word(text, second, second + 4));
  CHECK_FALSE(ends_word(text, second, second + 4));
  CHECK(ends_word(text, third, third + 4));
  CHECK_FALSE(within_host_name(text, third, third + 4));
  const auto middle = at("ammer", 0);
  CHECK_FALSE(begins_word(text, middle, middle + 5));
}
