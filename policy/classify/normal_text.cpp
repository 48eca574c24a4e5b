#include "policy/classify/normal_text.h"

#include "base/text.h"
#include "policy/classify/codes.h"
#include "policy/unicode.h"

namespace postern::classify {
namespace {

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0'; }
bool is_high(char c) { return (static_cast<unsigned char>(c) & 0x80U) != 0; }

// In one pass what stands for more than one octet; the ASCII of most texts never comes here.
std::string_view plain_form(char32_t character) {
  switch (character) {
    case 0x2018:
    case 0x2019:
    case 0x201A:
    case 0x00B4:
      return "'";
    case 0x201C:
    case 0x201D:
    case 0x201E:
    case 0x00AB:
    case 0x00BB:
      return "\"";
    case 0x2010:
    case 0x2011:
    case 0x2013:
    case 0x2014:
      return "-";
    case 0x0085:
    case 0x00A0:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x3000:
      return " ";
    default:
      return {};
  }
}

std::string folded(std::string_view text) {
  if (is_ascii(text)) return to_lower(text);
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const auto character = policy::first_character(text);
    if (!character.valid) {
      valid += '?';
    } else if (const auto plain = plain_form(character.value); !plain.empty()) {
      valid += plain;
    } else {
      valid += text.substr(0, character.size);
    }
    text.remove_prefix(character.size);
  }
  return policy::case_folded(policy::to_nfc(valid));
}

bool is_local_character(char c) {
  return is_alnum(c) || is_high(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
}
bool is_domain_character(char c) { return is_alnum(c) || is_high(c) || c == '-' || c == '.'; }
bool is_host_character(char c) { return is_alnum(c) || c == '-' || c == '.'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A word with "@" in the place of each address that it holds.
void append_without_addresses(std::string& out, std::string_view word) {
  std::size_t done = 0;
  for (std::size_t at = word.find('@'); at != word.npos; at = word.find('@', at + 1)) {
    if (at < done) continue;
    std::size_t begin = at;
    while (begin > done && is_local_character(word[begin - 1])) --begin;
    std::size_t end = at + 1;
    while (end < word.size() && is_domain_character(word[end])) ++end;
    if (begin == at || end == at + 1) continue;
    // The full stop behind an address is not its own; three of them are Sendmail's.
    while (word[end - 1] == '.') --end;
    if (begin > done && word[begin - 1] == '<' && end < word.size() && word[end] == '>') {
      --begin;
      ++end;
    }
    out += word.substr(done, begin - done);
    out += '@';
    done = end;
  }
  out += word.substr(done);
}

bool is_reply_code(std::string_view text) {
  return text.size() == 3 && (text[0] == '2' || text[0] == '4' || text[0] == '5') &&
         text[1] >= '0' && text[1] <= '5' && text[2] >= '0' && text[2] <= '9';
}

// Chinese characters, kana and their punctuation: no blanks between them, lines break anywhere.
bool is_unspaced(std::string_view character) {
  const auto first = policy::first_character(character);
  return first.valid && ((first.value >= 0x2E80 && first.value <= 0x9FFF) ||
                         (first.value >= 0xFF00 && first.value <= 0xFFEF));
}

// Puts words together again, without what a reply of several lines repeats ("550-5.7.1 ").
class Writer {
 public:
  void word(std::string_view word) {
    if (word.size() > 3 && word[3] == '-' && is_reply_code(word.substr(0, 3))) {
      repeated_ = word.substr(0, 3);
      word.remove_prefix(4);
      after_code_ = true;
      if (word.empty()) return;
    } else if (!repeated_.empty() && word == repeated_) {
      after_code_ = true;
      return;
    }
    if (after_code_ && is_enhanced_code(word)) return;
    after_code_ = false;
    append(word);
  }
  std::string take() { return std::move(text_); }

 private:
  void append(std::string_view word) {
    if (!text_.empty() && !(ends_unspaced_ && is_unspaced(word))) text_ += ' ';
    append_without_addresses(text_, word);
    std::size_t last = word.size() - 1;
    while (last > 0 && (static_cast<unsigned char>(word[last]) & 0xC0U) == 0x80U) --last;
    ends_unspaced_ = is_unspaced(word.substr(last));
  }

  std::string text_;
  std::string_view repeated_;
  bool after_code_ = false;
  bool ends_unspaced_ = false;
};

}  // namespace

std::string normal_text(std::string_view text) {
  const std::string whole = folded(text.substr(0, max_text));
  Writer writer;
  std::size_t at = 0;
  while (at < whole.size()) {
    while (at < whole.size() && is_blank(whole[at])) ++at;
    const std::size_t begin = at;
    while (at < whole.size() && !is_blank(whole[at])) ++at;
    if (at > begin) writer.word(std::string_view(whole).substr(begin, at - begin));
  }
  return writer.take();
}

bool begins_word(std::string_view text, std::size_t begin, std::size_t end) {
  return begin == 0 || begin == end || !is_alnum(text[begin]) || !is_alnum(text[begin - 1]);
}

bool ends_word(std::string_view text, std::size_t begin, std::size_t end) {
  return end == text.size() || begin == end || !is_alnum(text[end - 1]) || !is_alnum(text[end]);
}

bool within_host_name(std::string_view text, std::size_t begin, std::size_t end) {
  constexpr std::size_t longest = 64;
  if (text.substr(begin, end - begin).find_first_of(" .") != std::string_view::npos) return false;
  std::size_t first = begin;
  while (first > 0 && begin - first < longest && is_host_character(text[first - 1])) --first;
  std::size_t last = end;
  while (last < text.size() && last - end < longest && is_host_character(text[last])) ++last;
  while (last > end && !is_alnum(text[last - 1])) --last;
  while (first < begin && !is_alnum(text[first])) ++first;
  const auto dot = text.substr(first, last - first).rfind('.');
  return dot != std::string_view::npos && first + dot + 1 < last &&
         !is_digit(text[first + dot + 1]);
}

}  // namespace postern::classify
