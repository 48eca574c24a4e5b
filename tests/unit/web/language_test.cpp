#include "web/language.h"

#include <string>

#include <doctest/doctest.h>

using namespace postern::web;

TEST_CASE("language: by weight, then by order") {
  struct Case {
    std::string accept;
    Language want;
  };
  const Case cases[] = {
      {"", Language::english},
      {"fr", Language::french},
      {"FR-ca", Language::french},
      {"de-AT,de;q=0.9,en;q=0.8", Language::german},
      {"en;q=0.5, es;q=0.9", Language::spanish},
      {"it, nl;q=0.9, es;q=0.1", Language::spanish},
      {"fr;q=0, de;q=0.001", Language::german},
      {"fr;q=0.8,de;q=0.8", Language::french},
      {"it", Language::english},
      {"*", Language::english},
      {"fr ; q=0.5 , de ; Q=0.7", Language::german},
      {"de;q=1.000,fr;q=1", Language::german},
      {"de;q=2,fr;q=0.3", Language::french},
      {"de;q=0.9999,fr;q=0.3", Language::french},
      {"de;q=,fr;q=0.3", Language::french},
      {"deutsch", Language::english},
      {",,;;q=1,-,de", Language::german},
  };
  for (const auto& [accept, want] : cases) {
    CAPTURE(accept);
    CHECK(choose_language(accept) == want);
  }
  std::string many;
  for (int i = 0; i < 1'000; ++i) many += "it,";
  CHECK(choose_language(many + "de") == Language::english);
}

TEST_CASE("language: tags and names") {
  for (const auto language : languages) CHECK(parse_language(tag(language)) == language);
  CHECK(name(Language::french) == "Français");
  CHECK_FALSE(parse_language("xx"));
  CHECK_FALSE(parse_language(""));
}
