#include "store/rows/csv.h"

#include <algorithm>

namespace postern::rows {

CsvReader::CsvReader(CsvStyle style) : style_(style) {
  for (const char c : {style.delimiter, '\n', '"'}) special_[static_cast<unsigned char>(c)] = true;
}

Result<CsvRecord> CsvReader::read(std::string_view text) {
  text_ = text;
  at_ = 0;
  quotes_ = false;
  fields_.clear();
  scratch_.clear();
  do {
    if (auto read = field(); !read) return std::unexpected(std::move(read).error());
  } while (more());
  if (at_ < text_.size()) ++at_;
  if (!quotes_) return CsvRecord{at_, 1};
  const std::string_view used = text_.substr(0, at_);
  const auto ends = static_cast<std::size_t>(std::ranges::count(used, '\n'));
  return CsvRecord{at_, ends + (used.ends_with('\n') ? 0 : 1)};
}

// Over a delimiter: there is another field.
bool CsvReader::more() {
  if (at_ >= text_.size() || text_[at_] == '\n' || text_[at_] != style_.delimiter) return false;
  ++at_;
  return true;
}

Result<void> CsvReader::field() {
  if (at_ < text_.size() && text_[at_] == '"') return quoted_field();
  const std::size_t start = at_;
  bool quote = false;
  std::size_t at = at_;
  for (; at < text_.size(); ++at) {
    const char c = text_[at];
    if (!special_[static_cast<unsigned char>(c)]) continue;
    if (c == style_.delimiter || c == '\n') break;
    quote = true;
  }
  at_ = at;
  if (quote) return fail(Errc::invalid, "a quote inside a field without quotes");
  std::string_view field = text_.substr(start, at_ - start);
  if (ends_line(at_) && field.ends_with('\r')) field.remove_suffix(1);
  fields_.push_back(field);
  return {};
}

Result<void> CsvReader::quoted_field() {
  quotes_ = true;
  ++at_;
  bool escapes = false;
  const std::size_t end = end_of_quotes(escapes);
  if (end == text_.npos) return fail(Errc::invalid, "a quote that is not closed");
  const std::string_view content = text_.substr(at_, end - at_);
  fields_.push_back(escapes ? unescaped(content) : content);
  at_ = end + 1;
  if (at_ < text_.size() && text_[at_] == '\r' && ends_line(at_ + 1)) ++at_;
  if (!ends_line(at_) && text_[at_] != style_.delimiter) {
    return fail(Errc::invalid, "text behind a closing quote");
  }
  return {};
}

std::size_t CsvReader::end_of_quotes(bool& escapes) const {
  const std::string_view special = style_.backslashes ? "\"\\" : "\"";
  for (std::size_t at = at_;;) {
    at = text_.find_first_of(special, at);
    if (at == text_.npos) return at;
    const bool escape =
        text_[at] == '\\' || (at + 1 < text_.size() && text_[at] == '"' && text_[at + 1] == '"');
    if (!escape) return at;
    escapes = true;
    at += 2;
  }
}

// What was given out before points into scratch_: it must not move while a record is read.
std::string_view CsvReader::unescaped(std::string_view content) {
  if (scratch_.empty()) scratch_.reserve(text_.size());
  const std::size_t start = scratch_.size();
  for (std::size_t i = 0; i < content.size(); ++i) {
    const bool pair = i + 1 < content.size() && (content[i + 1] == '"' || content[i + 1] == '\\');
    if (pair && (content[i] == '"' || (style_.backslashes && content[i] == '\\'))) ++i;
    scratch_ += content[i];
  }
  return std::string_view(scratch_).substr(start);
}

void append_csv(std::string& out, std::string_view field) {
  if (field.find_first_of(",\"\r\n") == field.npos) {
    out += field;
    return;
  }
  out += '"';
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace postern::rows
