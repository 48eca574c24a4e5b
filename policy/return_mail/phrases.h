// The words of notices, and what they say.
#pragma once

#include "policy/classify/phrase_set.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace postern::return_mail {

// What a phrase says. words.cpp has them.
enum class Says : std::uint8_t {
  not_delivered,  // this mail tells that another was not delivered
  why,            // a reason of that; in ordinary mail too
  for_good,       // nobody will try again
  late,           // somebody will try again
  only_late,      // and nothing else is meant, whatever is said besides
  delivered,      // it arrived
  copy,           // the returned message follows
  automatic,      // of a subject: nobody wrote this
};
using SaysSet = std::uint16_t;  // bits by number
[[nodiscard]] constexpr SaysSet bit(Says says) {
  return static_cast<SaysSet>(1U << static_cast<unsigned>(says));
}

struct Phrase {
  std::string_view text;  // lower case, blanks single
  Says says;
};

// Phrases with what they say, sought by the classifier's set matcher.
class Phrases {
 public:
  explicit Phrases(std::span<const Phrase> phrases);

  // Calls `found(phrase, position)` for each, in the order in which they end. `text`: lower case.
  template <class Found>
  void each(std::string_view text, Found found) const {
    set_.find(text, [&](std::uint32_t index, std::size_t begin, std::size_t) {
      found(phrases_[index], begin);
      return true;
    });
  }
  // Everything that is said somewhere in `text`.
  [[nodiscard]] SaysSet all(std::string_view text) const;

 private:
  std::span<const Phrase> phrases_;
  classify::PhraseSet set_;
};

// Those of words.cpp: of a notice's text and of its subject.
[[nodiscard]] const Phrases& notice_phrases();
[[nodiscard]] const Phrases& subject_phrases();

// Words that an address may follow as its label, "Failed recipient:"; and those of labels of other
// addresses. Lower case.
[[nodiscard]] std::span<const std::string_view> recipient_labels();
[[nodiscard]] std::span<const std::string_view> other_labels();
// Words right before an address that was not written to: "contact postmaster@example.com". Lower
// case.
[[nodiscard]] std::span<const std::string_view> words_before_others();
// In the line above an address that may be asked. Lower case.
[[nodiscard]] std::span<const std::string_view> words_of_contact();

}  // namespace postern::return_mail
