// One record of comma-separated values, RFC 4180: fields in quotes may hold commas, line ends and
// doubled quotes.
#pragma once

#include "base/result.h"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::rows {

inline constexpr char one_column = '\n';  // as a delimiter: the line is the field

struct CsvStyle {
  char delimiter = ',';
  bool backslashes = false;  // in quotes, \" is a quote and \\ a backslash
};

struct CsvRecord {
  std::size_t used = 0;   // octets, the line end included
  std::size_t lines = 0;  // that it spans
};

class CsvReader {
 public:
  explicit CsvReader(CsvStyle style = {});

  // The first record of `text`, which ends at LF, CRLF or the end of `text`. Errc::invalid where a
  // quote is not closed, or is where none may be.
  [[nodiscard]] Result<CsvRecord> read(std::string_view text);
  // Of the record that was read last: parts of its text, and of a buffer here. Valid until the next
  // one is read.
  [[nodiscard]] std::span<const std::string_view> fields() const { return fields_; }

 private:
  [[nodiscard]] Result<void> field();
  [[nodiscard]] Result<void> quoted_field();
  [[nodiscard]] bool more();
  [[nodiscard]] bool ends_line(std::size_t at) const {
    return at == text_.size() || text_[at] == '\n';
  }
  [[nodiscard]] std::size_t end_of_quotes(bool& escapes) const;
  [[nodiscard]] std::string_view unescaped(std::string_view content);

  CsvStyle style_;
  std::array<bool, 256> special_{};  // what may end a field without quotes, or must not be in it
  std::string_view text_;
  std::size_t at_ = 0;
  bool quotes_ = false;  // a field in quotes: the record may span lines
  std::vector<std::string_view> fields_;
  std::string scratch_;  // fields whose text is not what stands there
};

// Appends a field, in quotes where it needs them.
void append_csv(std::string& out, std::string_view field);

}  // namespace postern::rows
