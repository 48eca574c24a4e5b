// Which column of a file is what: by its format, else by its name, and before either by what the
// caller said (--map).
#pragma once

#include "base/result.h"
#include "store/rows/formats.h"
#include "store/rows/row_reader.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::rows {

inline constexpr std::size_t max_columns = 1000;

// The column names of a file (the keys of an object), and its first row where there is one.
struct Header {
  explicit Header(std::vector<std::string> columns);
  // The first column of this name, however it is spelled.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
  [[nodiscard]] std::optional<std::size_t> find_plain(std::string_view name) const;

  std::vector<std::string> names;
  std::vector<std::string> plain;  // the same by plain_name()
  std::vector<std::string> first;  // as many; or none
};

// The columns of a table without header: "1", "2", ...
[[nodiscard]] std::vector<std::string> numbered(std::size_t count);

struct Plan {
  Use use = Use::none;
  std::optional<Status> status;
  std::string label;     // of a reason; of a list_flag, its stream
  std::size_t rank = 0;  // less is preferred
};
struct Layout {
  const Format* format = nullptr;
  std::vector<Plan> plans;  // one a column
  // Columns tell who left or who consented: a row in which none does is of a contact who did
  // neither.
  bool tells_all = false;
  [[nodiscard]] bool has(Use use) const;
  // The names of columns that say nothing to us.
  [[nodiscard]] std::vector<std::string> unused(const Header& header) const;
};

// Whether its columns, and where it asks the first row, are this format's. `by_name`: the caller
// says that it is.
[[nodiscard]] bool fits(const Format& format, const Header& header, bool by_name);
// The first of the known formats that fits; none of those without a header unless `headerless`.
[[nodiscard]] const Format* recognise_format(const Header& header, bool headerless);
// The columns that a file of this format has and this one lacks.
[[nodiscard]] std::vector<std::string_view> missing(const Format& format, const Header& header);

// Whether --map names only columns that are there, by name or number.
[[nodiscard]] Result<void> check_map(const ReadOptions& options, const Header& header);
[[nodiscard]] Layout lay_out(const Format& format, const Header& header,
                             const ReadOptions& options);

// Why nothing of this header is an address, with an example of what to say.
[[nodiscard]] Error no_address_column(const Header& header);

}  // namespace postern::rows
