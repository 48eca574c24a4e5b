#include "store/rows/table_reader.h"

#include "store/rows/line_window.h"

#include <fmt/format.h>

namespace postern::rows {

Result<CsvRecord> TableReader::read(std::string_view left) {
  const std::string_view text = left.substr(0, max_line + 2);  // and its line end
  auto record = csv_.read(text);
  if (!record) return record;
  if (record->used == text.size() && text.size() < left.size() && !text.ends_with('\n')) {
    return too_long();
  }
  const std::string_view raw = text.substr(0, record->used);
  const auto decoded = decoder_.decode(raw);
  if (!decoded) return std::unexpected(decoded.error());
  if (decoded->data() == raw.data()) return record;
  if (auto again = csv_.read(*decoded); !again) return again;
  return record;
}

std::unexpected<Error> too_long() {
  return fail(Errc::invalid, fmt::format("longer than {} KiB", max_line / 1024));
}

}  // namespace postern::rows
