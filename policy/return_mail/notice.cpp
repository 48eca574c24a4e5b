#include "policy/return_mail/notice.h"

#include "base/text.h"
#include "policy/return_mail/header.h"
#include "policy/return_mail/lists.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace postern::return_mail {
namespace {

constexpr std::size_t block_lines =
    30;  // of a header section that are looked at to tell that it is one
constexpr std::size_t longest_separator = 120;

// Fields that only a message has that was under way.
constexpr std::array<std::string_view, 4> trace_fields{"received", "return-path", "x-received",
                                                       "dkim-signature"};
// Fields that reporters also quote in front of what they say.
constexpr std::array<std::string_view, 5> message_fields{"message-id", "mime-version",
                                                         "content-type", "from", "subject"};

std::string_view without_quote(std::string_view line) {
  if (line.starts_with('>')) line.remove_prefix(1);
  if (line.starts_with(' ') && line.size() > 1 && line[1] != ' ') line.remove_prefix(1);
  return line;
}

// Of a returned message, at the line where a run of fields begins.
enum class Block { none, quoted, trace };
Block block_at(std::span<const Notice::Line> lines) {
  std::size_t fields = 0, known = 0;
  bool trace = false;
  for (const auto& line : lines.first(std::min(lines.size(), block_lines))) {
    if (line.is_blank()) break;
    const bool folded = line.text.front() == ' ' || line.text.front() == '\t';
    const std::string_view name =
        folded ? std::string_view() : field_name(without_quote(line.lower));
    if (name.empty()) {
      if (!folded && !line.text.starts_with('>')) break;
      continue;
    }
    ++fields;
    trace = trace || has(trace_fields, name);
    known += has(message_fields, name) ? 1U : 0U;
  }
  if (fields < 2) return Block::none;
  if (trace) return Block::trace;
  return known > 1 ? Block::quoted : Block::none;
}

bool is_ruled(std::string_view line) {
  return line.starts_with("--") || line.ends_with("--") || line.contains("---") ||
         line.contains("___") || line.contains("***") || line.contains("===");
}

bool announces(std::string_view line) {
  return line.ends_with(':') || line.ends_with("follows") || line.ends_with("follow") ||
         line.ends_with("follows.") || line.ends_with("follow.") || line.ends_with("following.") ||
         line.ends_with("headers.") || line.ends_with("below.");
}

}  // namespace

bool Notice::Line::is_blank() const { return trim(text).empty(); }

Notice::Notice(std::string text) : text_(std::move(text)) {
  if (text_.size() > max_notice) text_.resize(max_notice);
  lower_ = to_lower(text_);
  // A sentence goes on in the next line.
  for (std::size_t i = 0; i + 1 < lower_.size(); ++i) {
    if (lower_[i] == '\n' && lower_[i + 1] != '\n' && i > 0 && lower_[i - 1] != '\n')
      lower_[i] = ' ';
    if (lower_[i] == '\t') lower_[i] = ' ';
  }
  split();
  find_phrases();
  cut_off_returned();
  for (const Line& line : lines_) says_ |= line.says;
}

std::string_view Notice::text() const {
  if (lines_.empty()) return {};
  const char* const end = lines_.back().text.data() + lines_.back().text.size();
  return {text_.data(), static_cast<std::size_t>(end - text_.data())};
}

void Notice::split() {
  std::string_view rest = text_;
  while (!rest.empty() && lines_.size() < max_lines) {
    const auto at = static_cast<std::size_t>(rest.data() - text_.data());
    const std::string_view line = take_line(rest);
    lines_.push_back({line, std::string_view(lower_).substr(at, line.size()), 0});
  }
}

void Notice::find_phrases() {
  notice_phrases().each(lower_, [&](const Phrase& phrase, std::size_t at) {
    const char* const here = lower_.data() + at;
    const auto behind = std::ranges::upper_bound(
        lines_, here, {}, [](const Line& line) { return line.lower.data(); });
    if (behind == lines_.begin()) return;
    std::prev(behind)->says |= bit(phrase.says);
    // What is said across the end of a line is said on both.
    if (behind != lines_.end() && here + phrase.text.size() > behind->lower.data())
      behind->says |= bit(phrase.says);
  });
}

void Notice::cut_off_returned() {
  const auto cut = [&](std::size_t line, std::size_t from) {
    if (from < lines_.size()) {
      const char* const begin = lines_[from].text.data();
      returned_ = {begin, static_cast<std::size_t>(text_.data() + text_.size() - begin)};
    }
    lines_.resize(line);
  };
  bool address_seen = false;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    const bool first = i == 0 || field_name(without_quote(lines_[i - 1].text)).empty();
    if (first && !line.is_blank() && !field_name(without_quote(line.text)).empty()) {
      const Block block = block_at(std::span(lines_).subspan(i));
      if (block == Block::trace || (block == Block::quoted && address_seen)) return cut(i, i);
    }
    if (line.says_any(bit(Says::copy)) && line.text.size() <= longest_separator) {
      const std::string_view content = trim(line.lower);
      if (is_ruled(content) || (address_seen && announces(content))) return cut(i, i + 1);
    }
    address_seen = address_seen || line.text.contains('@');
  }
}

}  // namespace postern::return_mail
