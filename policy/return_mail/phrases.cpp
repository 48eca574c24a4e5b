#include "policy/return_mail/phrases.h"

#include <map>
#include <string>

namespace postern::return_mail {

Phrases::Phrases(std::span<const Phrase> phrases) {
  std::map<std::string, SaysSet> merged;
  for (const Phrase& phrase : phrases) merged[std::string(phrase.text)] |= bit(phrase.says);
  std::vector<std::string> texts;
  for (const auto& [text, says] : merged) {
    texts.push_back(text);
    says_.push_back(says);
  }
  set_ = classify::PhraseSet(texts);
}

SaysSet Phrases::all(std::string_view text) const {
  SaysSet set = 0;
  each(text, [&](SaysSet says, std::size_t, std::size_t) { set |= says; });
  return set;
}

}  // namespace postern::return_mail
