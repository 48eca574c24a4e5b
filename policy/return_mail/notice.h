// What a reporter tells people: its lines up to where the returned message begins, and what they
// say.
#pragma once

#include "policy/return_mail/phrases.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::return_mail {

inline constexpr std::size_t max_notice = 64U << 10U;  // octets of a text that are looked at
inline constexpr std::size_t max_lines = 2000;         // of them

class Notice {
 public:
  struct Line {
    std::string_view text;
    std::string_view lower;  // the same, ASCII letters in lower case
    SaysSet says = 0;        // phrases that begin on the line
    [[nodiscard]] bool is_blank() const;
    [[nodiscard]] bool says_any(SaysSet set) const { return (says & set) != 0; }
  };

  // `text`: UTF-8. Only the first max_notice octets count.
  explicit Notice(std::string text);
  Notice(const Notice&) = delete;
  Notice& operator=(const Notice&) = delete;

  [[nodiscard]] std::span<const Line> lines() const { return lines_; }
  [[nodiscard]] SaysSet says() const { return says_; }
  // The returned message as far as it stands in the text; empty: it does not.
  [[nodiscard]] std::string_view returned() const { return returned_; }
  // All lines, as one text.
  [[nodiscard]] std::string_view text() const;

 private:
  void split();
  void cut_off_trace();
  void make_lower();
  void find_phrases();
  void cut_off_announced();
  // Keeps the lines before `line`; the returned message begins at the line `from`.
  void cut(std::size_t line, std::size_t from);
  // The line is the first of a run of fields.
  [[nodiscard]] bool begins_block(std::size_t line) const;

  std::string text_, lower_;
  std::vector<Line> lines_;
  SaysSet says_ = 0;
  std::string_view returned_;
};

}  // namespace postern::return_mail
