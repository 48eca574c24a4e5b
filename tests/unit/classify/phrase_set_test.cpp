#include "policy/classify/phrase_set.h"

#include <algorithm>
#include <random>
#include <set>
#include <tuple>

#include <doctest/doctest.h>

using namespace postern::classify;

namespace {

using Hit = std::tuple<std::size_t, std::uint32_t, std::size_t>;  // end, phrase, begin

std::vector<Hit> found(const PhraseSet& set, std::string_view text) {
  std::vector<Hit> hits;
  set.find(text, [&](std::uint32_t phrase, std::size_t begin, std::size_t end) {
    hits.emplace_back(end, phrase, begin);
    return true;
  });
  return hits;
}

// Each phrase looked for at each place.
std::vector<Hit> searched(const std::vector<std::string>& phrases, std::string_view text) {
  std::vector<Hit> hits;
  std::set<std::string> before;
  for (std::uint32_t i = 0; i < phrases.size(); ++i) {
    if (phrases[i].empty() || !before.insert(phrases[i]).second) continue;
    for (auto at = text.find(phrases[i]); at != text.npos; at = text.find(phrases[i], at + 1)) {
      hits.emplace_back(at + phrases[i].size(), i, at);
    }
  }
  return hits;
}

std::string random_text(std::mt19937& random, std::size_t most) {
  std::string text(random() % (most + 1), 'a');
  // Few letters, so that much overlaps; and an octet above 127.
  for (char& c : text) c = "abc\xE9"[random() % 4];
  return text;
}

}  // namespace

TEST_CASE("it finds what a search for each phrase finds") {
  std::mt19937 random(20260301);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> phrases(random() % 20);
    for (auto& phrase : phrases) phrase = random_text(random, 6);
    const PhraseSet set(phrases);
    const std::string text = random_text(random, 80);
    auto hits = found(set, text);
    CHECK(std::ranges::is_sorted(
        hits, {}, [](const Hit& hit) { return std::pair(std::get<0>(hit), std::get<2>(hit)); }));
    auto want = searched(phrases, text);
    std::ranges::sort(hits);
    std::ranges::sort(want);
    REQUIRE(hits == want);
  }
}

TEST_CASE("phrases inside of phrases are found, the longest first") {
  const PhraseSet set(std::vector<std::string>{"he", "she", "his", "hers", "e"});
  CHECK(found(set, "ushers") == std::vector<Hit>{{4, 1, 1}, {4, 0, 2}, {4, 4, 3}, {6, 3, 2}});
}

TEST_CASE("no phrases, no text") {
  CHECK(found(PhraseSet(), "anything").empty());
  CHECK(found(PhraseSet(std::vector<std::string>{""}), "anything").empty());
  CHECK(found(PhraseSet(std::vector<std::string>{"a"}), "").empty());
}

TEST_CASE("of equal phrases the first is found") {
  CHECK(found(PhraseSet(std::vector<std::string>{"b", "a", "a"}), "a") ==
        std::vector<Hit>{{1, 1, 0}});
}

TEST_CASE("whoever has enough can stop") {
  const PhraseSet set(std::vector<std::string>{"a"});
  int calls = 0;
  set.find("aaaa", [&](auto, auto, auto) { return ++calls < 2; });
  CHECK(calls == 2);
}

TEST_CASE("tens of thousands of phrases are one set") {
  std::vector<std::string> phrases;
  for (int i = 0; i < 50'000; ++i) phrases.push_back("phrase number " + std::to_string(i) + ";");
  const PhraseSet set(phrases);
  CHECK(found(set, "the phrase number 4711; of them") == std::vector<Hit>{{23, 4711, 4}});
}
