#include "policy/return_mail/evidence.h"

#include "base/text.h"
#include "policy/return_mail/status.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace postern::return_mail {
namespace {

constexpr SaysSet any_failure = bit(Says::not_delivered) | bit(Says::why) | bit(Says::for_good) |
                                bit(Says::late) | bit(Says::only_late);
constexpr std::size_t longest_label = 70;
constexpr std::size_t lines_to_reply = 4;  // from a command to the reply to it

// In front of an address: of a list's item, of a reply, of quotes.
constexpr std::string_view bullets = " \t*->|#=+.\"'`([{<:;,";

// What stands before the address that another was made of. Lower case.
constexpr std::array<std::string_view, 8> marks_of_original{
    "expanded from:",      "expanded from", "generated from",     "originally addressed to",
    "original recipient:", "originally to", "originally sent to", "forwarded from"};

// What stands before an address in a sentence about mail to it. Lower case.
constexpr std::array<std::string_view, 16> words_before{
    "to",           "for",       "recipient", "user", "address", "mailbox", "account", "recipients",
    "addressed to", "addresses", "an",        "à",    "para",    "pour",    "für",     "addressee"};

bool is_word(char c) {
  const char lower = ascii_lower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 128;
}

// `word` in `text`; where it is ASCII, as a word.
bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    if (!is_ascii(word)) return true;
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end])))
      return true;
  }
  return false;
}

bool ends_with_word(std::string_view text, std::string_view word) {
  return text.ends_with(word) &&
         (text.size() == word.size() || !is_word(text[text.size() - word.size() - 1]));
}

std::string_view strip_end(std::string_view text, std::string_view set) {
  const std::size_t last = text.find_last_not_of(set);
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

std::string_view strip_begin(std::string_view text, std::string_view set) {
  const std::size_t first = text.find_first_not_of(set);
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

// An item's number, "1. ", "(2) ".
std::string_view without_number(std::string_view text) {
  const std::string_view rest = strip_begin(text, "0123456789");
  if (rest.size() == text.size()) return text;
  return strip_begin(rest, ".) \t").empty() ? std::string_view() : text;
}

// One address on a line of notice, with what stands before and behind it.
class Place {
 public:
  Place(std::span<const Notice::Line> lines, std::size_t at, const Spot& spot, bool introduced)
      : lines_(lines), at_(at), line_(lines[at]), introduced_(introduced) {
    before_ = line_.lower.substr(0, spot.begin);
    after_ = line_.lower.substr(spot.end);
    bracketed_ = spot.bracketed;
    if (before_.ends_with("mailto:")) {
      before_.remove_suffix(7);
      linked_ = true;
    }
    before_ = strip_end(before_, " \t<\"'`([");
    after_ = strip_begin(after_, ">\"'`)]");
    pass_over_link();
    after_ = strip_begin(after_, " \t");
    for (const std::string_view type : {"rfc822;", "smtp:", "smtp;"}) {
      if (before_.ends_with(type))
        before_ = strip_end(before_.substr(0, before_.size() - type.size()), " \t");
    }
    front_ = without_number(strip_begin(before_, bullets));
  }

  [[nodiscard]] Evidence weigh() const {
    for (const auto mark : marks_of_original) {
      if (before_.ends_with(mark)) return {Weight::labelled, true, true};
    }
    if (before_.ends_with("mail from:") || before_.ends_with("mail from") ||
        before_.ends_with("from:"))
      return {};
    if (before_.ends_with("rcpt to:") || before_.ends_with("rcpt to")) return command();
    if (front_.empty()) return at_line_begin();
    if (before_.ends_with(':') || before_.ends_with("：")) return labelled();
    if (is_item_with_name()) return {introduced_ ? Weight::listed : Weight::hint, true, false};
    return in_sentence();
  }

 private:
  // "a@example.com<mailto:a@example.com>", as text made of HTML has it.
  void pass_over_link() {
    const std::string_view rest = strip_begin(after_, " <[(");
    if (!rest.starts_with("mailto:")) return;
    const std::size_t close = rest.find_first_of(">])");
    after_ = close == std::string_view::npos ? std::string_view() : rest.substr(close + 1);
  }

  [[nodiscard]] bool says_failure_near() const {
    if (line_.says_any(any_failure)) return true;
    if (at_ > 0 && !lines_[at_ - 1].is_blank() && lines_[at_ - 1].says_any(any_failure))
      return true;
    return at_ + 1 < lines_.size() && lines_[at_ + 1].says_any(any_failure);
  }

  // Within the lines of the same paragraph, and the reply that follows a command.
  [[nodiscard]] Evidence command() const {
    const auto replies = lines_.subspan(at_, std::min(lines_to_reply, lines_.size() - at_));
    for (const auto& line : replies) {
      const std::string_view said = &line == &replies.front() ? after_ : line.lower;
      if (find_reply_code(said) != 0) return {Weight::listed, false, false};
    }
    return {says_failure_near() ? Weight::sentence : Weight::hint, false, false};
  }

  [[nodiscard]] Evidence at_line_begin() const {
    const auto grade = [&](Weight introduced, Weight alone) {
      return Evidence{introduced_ ? introduced : alone, true, false};
    };
    if (after_.empty()) {
      return is_contact() ? Evidence{}
                          : grade(Weight::listed, linked_ ? Weight::none : Weight::hint);
    }
    if (after_.starts_with(':') || after_.starts_with("...")) {
      return grade(Weight::labelled,
                   bracketed_ || says_failure_near() ? Weight::labelled : Weight::hint);
    }
    if (line_.says_any(any_failure) || find_reply_code(after_) != 0)
      return grade(Weight::listed, Weight::sentence);
    if (std::string_view("(-;,=").contains(after_.front()) || after_.starts_with("on ")) {
      return grade(Weight::listed, Weight::hint);
    }
    return grade(Weight::sentence, Weight::none);
  }

  // "If you have questions, write to", in the line above that is not blank.
  [[nodiscard]] bool is_contact() const {
    for (std::size_t i = at_; i > 0 && at_ - i < 3; --i) {
      const auto& line = lines_[i - 1];
      if (line.is_blank()) continue;
      return std::ranges::any_of(words_of_contact(),
                                 [&](std::string_view word) { return line.lower.contains(word); });
    }
    return false;
  }

  // "Name of Somebody <a@example.com>" and nothing else on the line.
  [[nodiscard]] bool is_item_with_name() const {
    return (bracketed_ || linked_) && strip_begin(after_, ".,;:").empty() &&
           !front_.contains(':') && front_.size() <= longest_label &&
           !line_.says_any(any_failure) && !follows_other_word();
  }

  [[nodiscard]] bool follows_other_word() const {
    return std::ranges::any_of(words_before_others(), [&](std::string_view word) {
      return ends_with_word(before_, word);
    });
  }

  [[nodiscard]] Evidence labelled() const {
    std::string_view label = strip_end(front_, ": \t\xEF\xBC\x9A");
    if (const std::size_t stop = label.rfind(". "); stop != std::string_view::npos)
      label.remove_prefix(stop + 2);
    if (label.size() > longest_label) return in_sentence();
    const auto in_label = [&](std::string_view word) { return has_word(label, word); };
    const bool fails = line_.says_any(any_failure);
    if (find_reply_code(label) != 0) return {Weight::sentence, false, false};
    if (std::ranges::any_of(other_labels(), in_label) && !label.contains("recipient")) return {};
    const bool named = std::ranges::any_of(
        recipient_labels(), [&](std::string_view word) { return label.contains(word); });
    if (named || fails)
      return {introduced_ || fails ? Weight::labelled : Weight::sentence, fails, false};
    return {introduced_ && label != "to" ? Weight::hint : Weight::none, false, false};
  }

  [[nodiscard]] Evidence in_sentence() const {
    if (follows_other_word() && !ends_with_word(before_, "an")) return {};
    if (linked_ && !bracketed_) return {};
    const bool reply = find_reply_code(line_.lower) != 0;
    const bool near = says_failure_near();
    if (!near && !reply) return {};
    const bool about = std::ranges::any_of(
        words_before, [&](std::string_view word) { return ends_with_word(before_, word); });
    const bool said =
        after_.starts_with("...") || after_.starts_with(':') || line_.says_any(any_failure);
    return {reply || about || said ? Weight::sentence : Weight::hint, false, false};
  }

  std::span<const Notice::Line> lines_;
  std::size_t at_;
  const Notice::Line& line_;
  bool introduced_;
  std::string_view before_, after_, front_;
  bool bracketed_ = false;
  bool linked_ = false;  // "mailto:" stands before it
};

}  // namespace

Evidence weigh(std::span<const Notice::Line> lines, std::size_t at, const Spot& spot,
               bool introduced) {
  return Place(lines, at, spot, introduced).weigh();
}

}  // namespace postern::return_mail
