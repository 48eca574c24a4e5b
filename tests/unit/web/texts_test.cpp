#include "web/texts.h"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

using namespace postern::web;

namespace {

std::set<std::string> placeholders(const std::string& text) {
  std::set<std::string> found;
  for (auto open = text.find('{'); open != text.npos; open = text.find('{', open + 1)) {
    found.insert(text.substr(open, text.find('}', open) - open + 1));
  }
  return found;
}

}  // namespace

TEST_CASE("texts: every language says everything, with the same values") {
  const auto& english = Texts::of(Language::english).all();
  CHECK(english.size() > 40);
  for (const auto language : languages) {
    CAPTURE(tag(language));
    const auto& texts = Texts::of(language).all();
    CHECK(texts.size() == english.size());
    for (const auto& [key, text] : english) {
      CAPTURE(key);
      REQUIRE(texts.contains(key));
      CHECK_FALSE(texts.at(key).empty());
      CHECK(placeholders(texts.at(key)) == placeholders(text));
    }
  }
}

TEST_CASE("texts: values are put in, and only there") {
  const Texts texts("# comment\n\na = x {b} {c} y\n d=  {b}\ne = {b\n");
  CHECK(texts.get("a", {{"b", "1{c}"}, {"c", "2"}}) == "x 1{c} 2 y");
  CHECK(texts.get("d") == "");
  CHECK(texts.get("e", {{"b", "1"}}) == "");
  CHECK_THROWS_AS(static_cast<void>(texts.get("absent")), std::logic_error);
}
