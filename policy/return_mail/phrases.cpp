#include "policy/return_mail/phrases.h"

#include <string>
#include <vector>

namespace postern::return_mail {
namespace {

classify::PhraseSet set_of(std::span<const Phrase> phrases) {
  std::vector<std::string> texts;
  texts.reserve(phrases.size());
  for (const Phrase& phrase : phrases) texts.emplace_back(phrase.text);
  return classify::PhraseSet(texts);
}

}  // namespace

Phrases::Phrases(std::span<const Phrase> phrases) : phrases_(phrases), set_(set_of(phrases)) {}

SaysSet Phrases::all(std::string_view text) const {
  SaysSet set = 0;
  each(text, [&](const Phrase& phrase, std::size_t) { set |= bit(phrase.says); });
  return set;
}

}  // namespace postern::return_mail
