// Many phrases sought in one pass over a text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

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
  std::string_view text;  // lower case, blanks single, 3 octets or more
  Says says;
};

// Phrases by a hash of their first octets: a look at a table for each octet of the text, and a
// comparison where one may begin.
class PhraseSet {
 public:
  explicit PhraseSet(std::span<const Phrase> phrases);

  // Calls `found(phrase, position)` for each, in the order of positions. `text`: lower case.
  template <class Found>
  void each(std::string_view text, Found found) const {
    for (std::size_t at = 0; at + prefix <= text.size(); ++at) {
      for (auto next = first_[slot(text.data() + at)]; next != 0; next = next_[next]) {
        const Phrase& phrase = phrases_[next - 1U];
        if (text.substr(at).starts_with(phrase.text)) found(phrase, at);
      }
    }
  }
  // Everything that is said somewhere in `text`.
  [[nodiscard]] SaysSet all(std::string_view text) const;

 private:
  static constexpr std::size_t prefix = 3;
  static constexpr std::size_t slots = 8192;
  static std::size_t slot(const char* text) {
    const auto octet = [&](std::size_t i) {
      return std::uint32_t{static_cast<unsigned char>(text[i])};
    };
    return ((octet(0) << 16U | octet(1) << 8U | octet(2)) * 0x9E3779B1U) >> 19U;
  }
  std::span<const Phrase> phrases_;
  std::array<std::uint16_t, slots> first_{};  // number of a phrase from 1; 0: none
  std::vector<std::uint16_t> next_;           // by number: the next of the same slot
};

// Those of words.cpp: of a notice's text and of its subject.
[[nodiscard]] const PhraseSet& notice_phrases();
[[nodiscard]] const PhraseSet& subject_phrases();

// Words that an address may follow as its label, "Failed recipient:"; and those of labels of other
// addresses. Lower case.
[[nodiscard]] std::span<const std::string_view> recipient_labels();
[[nodiscard]] std::span<const std::string_view> other_labels();
// Words right before an address that was not written to: "contact postmaster@example.com". Lower
// case.
[[nodiscard]] std::span<const std::string_view> words_before_others();

}  // namespace postern::return_mail
