// What a file is, by how it begins.
#pragma once

#include "base/result.h"
#include "store/rows/csv.h"
#include "store/rows/layout.h"
#include "store/rows/row_reader.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace postern::rows {

struct Recognition {
  enum class Kind : std::uint8_t { table, objects, list, access };
  Kind kind = Kind::list;
  Recognised file;
  CsvStyle style;                  // of a table
  const Format* format = nullptr;  // of tables and objects
  Layout layout;                   // of a table
  CsvRecord header;                // of a table: what is to be passed; nothing where it has none
};

class Recogniser {
 public:
  Recogniser(const ReadOptions& options, bool only_utf8)
      : options_(options), only_utf8_(only_utf8) {}

  // Of `left`, which begins with the first line that is not blank, and is what a LineWindow shows.
  // nullopt: this line is a comment, or says only what separates fields ("sep=;"); try the next.
  [[nodiscard]] Result<std::optional<Recognition>> read(std::string_view left);

 private:
  // A delimiter, and what the first record is with it.
  struct Candidate {
    char delimiter = one_column;
    CsvRecord record;
    Header header;
  };
  [[nodiscard]] bool forced() const { return options_.format != "auto"; }
  [[nodiscard]] Result<std::vector<Candidate>> candidates(std::string_view left) const;
  [[nodiscard]] std::vector<std::string> first_row(char delimiter, std::string_view rest,
                                                   std::size_t width) const;
  [[nodiscard]] Result<Recognition> objects(std::string_view line) const;
  [[nodiscard]] Result<Recognition> table(const Candidate& candidate) const;
  [[nodiscard]] std::optional<Recognition> without_header(const Candidate& candidate) const;
  [[nodiscard]] const Format* format_of(const Header& header, bool headerless) const;
  [[nodiscard]] Recognition recognition(const Format& format, Layout layout,
                                        const Candidate& candidate, bool headerless) const;
  [[nodiscard]] std::optional<Recognition> lines(std::string_view line) const;

  const ReadOptions& options_;
  bool only_utf8_;
  std::optional<char> delimiter_;  // that the file names
};

// Errc::invalid names the formats there are, and the one that was probably meant.
[[nodiscard]] Result<void> check_format_name(std::string_view name);

}  // namespace postern::rows
