// Rows of a file of any origin: its encoding, its delimiter and the tool that wrote it are
// recognised from its beginning; then each record is fields by name, and fields by name are a row.
#pragma once

#include "base/result.h"
#include "store/rows/row.h"

#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::rows {

// How 03/04/2026 is read. `ask`: a file that has such a date is refused, with what to say.
enum class DateOrder : std::uint8_t { ask, day_first, month_first };

struct ReadOptions {
  std::string format = "auto";  // or the name of one of formats()
  // --map: what a column means, before what its name would tell: {"address", "Adresse"}, ...
  // Meanings: address, date, status, stream, reason, until. A column by its name, else by its
  // number from 1; where all are numbers and the first line has an address there, it is a row.
  std::vector<std::pair<std::string, std::string>> columns;
  DateOrder dates = DateOrder::ask;
};

// What a file was taken for.
struct Recognised {
  std::string format;    // "mailchimp-cleaned", "plain-list", ...
  std::string source;    // what holds of it are known by where --source is not given: "mailchimp"
  std::string encoding;  // "UTF-8", "UTF-16LE", "UTF-16BE", "Windows-1252"
  char delimiter = 0;    // of a CSV; 0: it has one column
  std::vector<std::string> unused_columns;  // whose names say nothing to us: told once
  // The least that the kind of file says of every row: a file of bounces cannot be imported as
  // subscribed.
  std::optional<Status> status;
};

// The names of the formats, for --help and for what is said of a wrong one.
[[nodiscard]] std::vector<std::string_view> formats();

class RowReader {
 public:
  RowReader(std::istream& in, ReadOptions options);
  ~RowReader();

  // To be called first. Errc::invalid where the file is none of ours: says what its header has and
  // how --map would help; a --map that names no column; a format that is none.
  [[nodiscard]] Result<Recognised> recognise();

  struct Next {
    std::uint64_t line = 0;  // of the file, where the record begins; two rows may have one
    std::string text;        // where it is no row, the record's first line, UTF-8
    Result<Row> row;         // or why it is none
    bool stop = false;  // an option is missing (a date that could be two): nothing more is read
  };
  // nullopt at the end. A record of more than 64 KiB is no row. Comments and blank lines are
  // passed.
  [[nodiscard]] std::optional<Next> next();
  // The record's first line, UTF-8, of what next() gave last.
  [[nodiscard]] std::string line_of(const Next& next) const;
  // Octets of the file that are behind us, for a progress bar.
  [[nodiscard]] std::uint64_t octets() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace postern::rows
