#include "policy/return_mail/phrases.h"

namespace postern::return_mail {

PhraseSet::PhraseSet(std::span<const Phrase> phrases)
    : phrases_(phrases), next_(phrases.size() + 1) {
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    auto& first = first_.at(slot(phrases[i].text.data()));
    next_[i + 1] = first;
    first = static_cast<std::uint16_t>(i + 1);
  }
}

SaysSet PhraseSet::all(std::string_view text) const {
  SaysSet set = 0;
  each(text, [&](const Phrase& phrase, std::size_t) { set |= bit(phrase.says); });
  return set;
}

}  // namespace postern::return_mail
