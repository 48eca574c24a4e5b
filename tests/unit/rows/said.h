// What a reader makes of a file, as lines that a test compares.
#pragma once

#include "store/rows/row_reader.h"

#include <string>
#include <string_view>

namespace postern::rows {

// A line a statement: "LINE address|status|stream|date|until|source|note|hold|except", with the
// last fields left out where they are empty; "LINE address active" or "LINE address nothing" of a
// row without statements; "LINE ! reason" of what is none, with "STOP " where reading ends.
[[nodiscard]] std::string said(RowReader& reader);
// Of the text of a file, or "! why" where it is not recognised.
[[nodiscard]] std::string said(std::string_view text, const ReadOptions& options = {});
// "format source encoding delimiter status [unused, columns]", or "! why".
[[nodiscard]] std::string recognised(std::string_view text, const ReadOptions& options = {});

}  // namespace postern::rows
