#include "policy/unicode.h"

#include <array>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern::policy;

namespace {

std::string utf8(char32_t c) {
  const auto octet = [](char32_t value) {
    return static_cast<char>(static_cast<unsigned char>(value));
  };
  if (c < 0x80) return {octet(c)};
  if (c < 0x800) return {octet(0xC0 | (c >> 6)), octet(0x80 | (c & 0x3F))};
  if (c < 0x10000) {
    return {octet(0xE0 | (c >> 12)), octet(0x80 | ((c >> 6) & 0x3F)), octet(0x80 | (c & 0x3F))};
  }
  return {octet(0xF0 | (c >> 18)), octet(0x80 | ((c >> 12) & 0x3F)),
          octet(0x80 | ((c >> 6) & 0x3F)), octet(0x80 | (c & 0x3F))};
}

}  // namespace

TEST_CASE("case folding is the same twice") {
  // U+0345 folds to a letter; the others take part in composition before and after it.
  const std::array<std::string_view, 8> marks = {
      "",      "\u0345", "\u0301", "\u0345\u0323", "\u0301\u0345", "\u0345\u0345", "\u0342\u0345",
      "\u0323"};
  constexpr char32_t no_marks = 0x3000;  // ideographs and what follows them: tried alone
  constexpr char32_t no_case = 0x1F000;  // pictures, more ideographs, private use
  std::size_t wrong = 0;
  std::string first_wrong;
  for (char32_t c = 0x20; c < no_case; ++c) {
    if ((c >= 0x3400 && c < 0xA000) || (c >= 0xAC00 && c < 0xF900)) continue;
    for (const auto mark : marks) {
      if (c >= no_marks && !mark.empty()) break;
      const std::string nfc = to_nfc(utf8(c) + std::string(mark));
      const std::string once = case_folded(nfc);
      if (case_folded(once) == once && to_nfc(once) == once) continue;
      ++wrong;
      if (first_wrong.empty()) first_wrong = nfc;
    }
  }
  CAPTURE(first_wrong);
  CHECK(wrong == 0);
}

TEST_CASE("case_folded") {
  struct Case {
    std::string_view input, want, why;
  };
  const Case cases[] = {
      {"", "", "nothing"},
      {"ABCxyz09", "abcxyz09", "ASCII"},
      {"M\u00DCLLER", "m\u00FCller", "Latin"},
      {"STRASSE", "strasse", "sharp s folds to two"},
      {"stra\u00DFe", "strasse", "and so does this"},
      {"\u03A3\u03AF\u03C3\u03C5\u03C6\u03BF\u03C2", "\u03C3\u03AF\u03C3\u03C5\u03C6\u03BF\u03C3",
       "sigmas"},
      {"\u0418\u0412\u0410\u041D", "\u0438\u0432\u0430\u043D", "Cyrillic"},
      {"I", "i", "in no language's manner, Turkish neither"},
      {"\u0131", "\u0131", "the dotless one is another letter"},
      {"\uFF21", "\uFF41", "width is no case"},
  };
  for (const auto& [input, want, why] : cases) {
    CAPTURE(why);
    CHECK(case_folded(to_nfc(input)) == want);
  }
}

TEST_CASE("unfit_for_address") {
  using namespace std::string_view_literals;
  for (const auto text : {""sv, "a b"sv, "\"\\<>"sv, "\u00A0"sv, "\U0001F600"sv, "\uFFFD"sv}) {
    CAPTURE(text);
    CHECK(unfit_for_address(text).empty());
  }
  for (const auto text : {"\0"sv, "a\tb"sv, "\x1F"sv, "\x7F"sv, "\u0080"sv, "\u009F"sv, "\u2028"sv,
                          "\u2029"sv, "\u00FC\n"sv}) {
    CHECK(unfit_for_address(text) == "it holds a control character");
  }
  for (const auto text : {"\x80"sv, "\xC3"sv, "\xC0\xAF"sv, "\xE0\x80\x80"sv, "\xED\xBF\xBF"sv,
                          "\xF4\x90\x80\x80"sv, "\xF8\x88\x80\x80\x80"sv, "a\xFE"sv}) {
    CHECK(unfit_for_address(text) == "it is not UTF-8");
  }
}

TEST_CASE("first_character steps over what is no UTF-8 by an octet") {
  CHECK(first_character("a").value == U'a');
  CHECK(first_character("\u20ACx").value == U'\u20AC');
  CHECK(first_character("\u20ACx").size == 3);
  CHECK_FALSE(first_character("\xE2\x82").valid);
  CHECK(first_character("\xE2\x82").size == 1);
  CHECK(first_character(std::string_view("\0", 1)).valid);
}
