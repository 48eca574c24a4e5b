#include "smtp_message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <iterator>

#include <fmt/format.h>

namespace postern::bench {
namespace {

constexpr std::size_t lines =
    1021;  // a prime, so that no pattern of ours goes on in the next period
constexpr std::string_view letters =
    "the quick brown fox jumps over a lazy dog and runs along the river ";
constexpr std::string_view mark = "X-Bench: ";

std::string line_text(std::size_t number) {
  if (number % 64 == 11) return "..\r\n";
  if (number % 16 == 7) return "\r\n";
  const auto length = 40 + number * 7 % 32;
  const auto dots = number % 16 == 3 ? ".." : "";
  std::string text = fmt::format("{}{:06} ", dots, number);
  while (text.size() < length) text += letters.substr(0, length - text.size());
  return text + "\r\n";
}

}  // namespace

Text::Text(std::size_t longest) {
  for (std::size_t number = 0; number < lines; ++number) {
    begins_.push_back(text_.size());
    text_ += line_text(number);
  }
  period_ = text_.size();
  const std::string once = text_;
  while (text_.size() < longest + 2 * period_) text_ += once;
}

std::string_view Text::body(std::size_t line, std::size_t size) const {
  const auto begin = begins_[line % lines];
  const auto end = text_.find('\n', begin + std::max<std::size_t>(size, 1) - 1);
  return std::string_view(text_).substr(begin, end + 1 - begin);
}

bool Text::has(std::size_t line, std::size_t offset, std::string_view octets) const {
  auto at = (begins_[line % lines] + offset) % period_;
  while (!octets.empty()) {
    const auto count = std::min(octets.size(), period_ - at);
    if (std::memcmp(text_.data() + at, octets.data(), count) != 0) return false;
    octets.remove_prefix(count);
    at = 0;
  }
  return true;
}

void append_fields(std::string& out, const Label& label) {
  fmt::format_to(std::back_inserter(out),
                 "{}{} {} {}\r\n"
                 "From: Example News <news@example.com>\r\n"
                 "To: undisclosed-recipients:;\r\n"
                 "Subject: Message {} of the benchmark\r\n"
                 "Date: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
                 "Message-ID: <{}.bench@example.com>\r\n"
                 "MIME-Version: 1.0\r\n"
                 "Content-Type: text/plain; charset=us-ascii\r\n",
                 mark, label.number, label.line, label.size, label.number, label.number);
}

bool read_label(std::string_view section, Label& label) {
  const auto found = section.find(mark);
  if (found == std::string_view::npos) return false;
  const char* at = section.data() + found + mark.size();
  const char* end = section.data() + section.size();
  for (auto* number : {&label.number, &label.line, &label.size}) {
    const auto read = std::from_chars(at, end, *number);
    if (read.ec != std::errc()) return false;
    at = std::min(read.ptr + 1, end);
  }
  std::string fields;
  append_fields(fields, label);
  return section.substr(found).starts_with(fields);
}

}  // namespace postern::bench
