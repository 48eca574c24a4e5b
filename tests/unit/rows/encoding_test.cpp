#include "store/rows/encoding.h"

#include "said.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::rows;
using namespace std::string_view_literals;

namespace {

// Of text in the basic plane, as it is written here in UTF-16.
std::string utf16(std::u16string_view text, bool little_endian) {
  std::string out;
  for (const char16_t unit : text) {
    const char low = static_cast<char>(unit & 0xFFU);
    const char high = static_cast<char>(unit >> 8U);
    out += little_endian ? low : high;
    out += little_endian ? high : low;
  }
  return out;
}

std::string decoded(std::string_view text, bool last) {
  std::string out;
  const std::size_t used = append_from_utf16(text, true, last, out);
  return out + (used == text.size() ? "" : "+" + std::to_string(text.size() - used));
}

}  // namespace

TEST_CASE("the encoding of a file is seen at its beginning") {
  struct Case {
    std::string file;
    std::string_view encoding, why;
  };
  constexpr std::u16string_view wide = u"email;reason\na@x.example;gr\u00FC\u00DFe \u20AC\n";
  const Case cases[] = {
      {"email;reason\na@x.example;gr\xC3\xBC\xC3\x9F"
       "e \xE2\x82\xAC\n",
       "UTF-8", "UTF-8"},
      {"\xEF\xBB\xBF"
       "email;reason\na@x.example;gr\xC3\xBC\xC3\x9F"
       "e \xE2\x82\xAC\n",
       "UTF-8", "with its mark"},
      {"email;reason\na@x.example;gr\xFC\xDF"
       "e \x80\n",
       "Windows-1252", "one octet a character"},
      {"\xFF\xFE" + utf16(wide, true), "UTF-16LE", "by its mark"},
      {"\xFE\xFF" + utf16(wide, false), "UTF-16BE", "by its mark"},
      {utf16(wide, true), "UTF-16LE", "without, as every second octet is a NUL"},
      {utf16(wide, false), "UTF-16BE", "without"},
  };
  for (const auto& [file, encoding, why] : cases) {
    CAPTURE(encoding);
    CAPTURE(why);
    CHECK(recognised(file) == "csv import " + std::string(encoding) + " ; - []");
    CHECK(said(file) ==
          "2 a@x.example||||||gr\xC3\xBC\xC3\x9F"
          "e \xE2\x82\xAC\n");
  }
}

TEST_CASE("a file that is ASCII for long may show late what it is") {
  std::string file = "email,reason\n";
  while (file.size() < 1'000'000) file += "a@x.example,nothing to see\n";
  const std::string late = file + "b@x.example,\xE9t\xE9\nc@x.example,\xC3\xA9t\xC3\xA9\n";
  CHECK(recognised(late).starts_with("csv import UTF-8"));
  const std::string got = said(late);
  CHECK(got.contains(" b@x.example||||||\xC3\xA9t\xC3\xA9\n"));
  CHECK(got.ends_with(" c@x.example||||||\xC3\xA9t\xC3\xA9\n"));
  // A file that says that it is UTF-8 is held to it.
  CHECK(said("\xEF\xBB\xBF" + late).contains("not UTF-8"));
}

TEST_CASE("line ends of every kind") {
  for (const std::string_view end : {"\n", "\r\n", "\r"}) {
    std::string file;
    for (const std::string_view line : {"email,reason", "a@x.example,one", "", "b@x.example,two"}) {
      file += std::string(line) + std::string(end);
    }
    CAPTURE(file);
    CHECK(said(file) == "2 a@x.example||||||one\n4 b@x.example||||||two\n");
  }
  CHECK(said(utf16(u"\uFEFFemail\r\na@x.example\r\n", true)) == "2 a@x.example\n");
}

TEST_CASE("UTF-16 that is cut or broken") {
  CHECK(decoded("a\0\x3D\xD8\x00\xDE"sv, false) == "a\xF0\x9F\x98\x80");
  CHECK(decoded("a\0\x3D\xD8"sv, false) == "a+2");
  CHECK(decoded("a\0\x3D"sv, false) == "a+1");
  CHECK(decoded("a\0\x3D\xD8"sv, true) == "a\xEF\xBF\xBD");
  CHECK(decoded("a\0\x3D"sv, true) == "a\xEF\xBF\xBD");
  CHECK(decoded("\x3D\xD8"
                "b\0"sv,
                true) ==
        "\xEF\xBF\xBD"
        "b");
  CHECK(decoded("\x00\xDE"
                "b\0"sv,
                true) ==
        "\xEF\xBF\xBD"
        "b");
  // A character on each side of what is read at once.
  std::u16string text = u"\uFEFFemail\n";
  while (text.size() < 300'000) text += u"a\u00FC@x.example\n";
  const std::string got = said(utf16(text, true));
  CHECK(got.size() > 1000);
  CHECK_FALSE(got.contains('!'));
}

TEST_CASE("what is valid UTF-8") {
  for (const std::string_view good :
       {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    CAPTURE(good);
    CHECK(is_utf8(good));
  }
  for (const std::string_view bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_utf8(bad));
  }
}

TEST_CASE("what a text is, wherever in it that shows") {
  for (std::size_t at = 0; at < 20; ++at) {
    CAPTURE(at);
    std::string text(20, 'a');
    CHECK(text_kind(text) == Text::ascii);
    text[at] = '\x01';
    CHECK(text_kind(text) == Text::ascii);
    text[at] = '\0';
    CHECK(text_kind(text) == Text::has_nul);
    text[at] = '\xFC';
    CHECK(text_kind(text) == Text::other);
    text.replace(at, 1, "\xC3\xBC");
    CHECK(text_kind(text) == Text::utf8);
  }
}
