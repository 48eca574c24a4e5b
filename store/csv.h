// One record of comma-separated values, RFC 4180: fields in quotes may hold commas, line ends and
// doubled quotes.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postern::store {

struct CsvRecord {
  std::size_t used = 0;   // octets, the line end included
  std::size_t lines = 0;  // that it spans
};
// The first record of `text`, into `fields`, which keep their memory. Ends at LF, CRLF or the end
// of `text`. Errc::invalid where a quote is not closed, or is where none may be.
[[nodiscard]] Result<CsvRecord> read_csv(std::string_view text, std::vector<std::string>& fields);

// Appends a field, in quotes where it needs them.
void append_csv(std::string& out, std::string_view field);

}  // namespace postern::store
