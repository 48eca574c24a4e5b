// Records of a table, one after the other, as UTF-8 and of bounded size.
#pragma once

#include "base/result.h"
#include "store/rows/csv.h"
#include "store/rows/decoder.h"

#include <span>
#include <string_view>

namespace postern::rows {

class TableReader {
 public:
  TableReader(CsvStyle style, bool only_utf8) : csv_(style), decoder_(only_utf8) {}

  // The first record of what a LineWindow shows. Errc::invalid: broken quotes, a record of more
  // than max_line octets, octets that are no text; then its first line alone is to be passed, so
  // that a quote that is never closed does not swallow the file.
  [[nodiscard]] Result<CsvRecord> read(std::string_view left);
  [[nodiscard]] std::span<const std::string_view> fields() const { return csv_.fields(); }

 private:
  CsvReader csv_;
  Decoder decoder_;
};

[[nodiscard]] std::unexpected<Error> too_long();

}  // namespace postern::rows
