// Other tools' files, as data: by which columns one is known, and what each column means. A new
// recogniser is a few lines in formats.cpp. Names and values are written there as the tool writes
// them, and compared by plain_name().
#pragma once

#include "store/rows/row.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::rows {

// What a column is.
enum class Use : std::uint8_t {
  none,     // its name says nothing to us
  known,    // it says what is not asked here
  address,  // "Name <a@b>", a digest: read_address()
  status,   // a word: the format's values, else parse_status()
  code,     // an SMTP reply code or enhanced status code, of a bounce (RFC 3463)
  stream,   // in our own words: a stream's name, or "all"
  list,     // somebody else's list or kind of mail, which is a stream by stream_for()
  tags,     // several of these, "*" for every marketing stream
  date,
  until,
  source,
  reason,
  hold,
  except,
  // Of our own exports: return mail that placed the hold. With `evidence`, its type, the reason is
  // one of INTERFACE.md's words and the diagnostic is the note.
  evidence,
  bounce_code,
  diagnostic,
  campaign,
  remote_mta,
  reporting_mta,
  message_id,
  // One statement each, where the cell is not empty or "no": what the column's status says, with a
  // date, a reason, or nothing more ("yes").
  flag,
  subscribed,  // "no" is an opt-out, "yes" says nothing
  list_flag,   // "yes" is an opt-out of the stream that is named like the column
};
inline constexpr std::size_t use_count = static_cast<std::size_t>(Use::list_flag) + 1;

struct Column {
  std::string name;  // plain
  Use use = Use::known;
  std::optional<Status> status{};  // of a flag
  std::string_view label{};        // what stands before it in a note
};

// Of a status column. Without a status: the row suppresses nobody.
struct Value {
  std::string value;  // plain
  std::optional<Status> status;
  bool ends = false;  // only such rows end when the `until` column says
};

// Of a list column.
struct StreamValue {
  std::string value;        // plain
  std::string_view stream;  // "all", or empty for every marketing stream
};

// What must be true of the first row, where header lines of different files are alike.
enum class First : std::uint8_t {
  any,
  epoch,  // its date is seconds since 1970
  value,  // its status is one of the format's values
  code,   // its code is empty or a code
};

struct Format {
  std::string_view name;
  std::string_view source;
  std::vector<std::string_view> needs{};      // columns that must be there
  std::vector<std::string_view> needs_one{};  // one of which must be there
  bool closed = false;                        // and no column that is not in `columns`
  std::size_t width = 0;                      // the number of columns, where not 0
  bool headerless = false;                    // columns are named "1", "2", ...
  bool only_by_name = false;                  // never recognised: its files look like another's
  First first = First::any;
  // In order of preference: of two columns with the same use, a row's first that is not empty
  // counts.
  std::vector<Column> columns{};
  Use others = Use::none;  // of a column that is in none of these
  std::vector<Value> values{};
  std::vector<StreamValue> streams{};
  std::optional<Status>
      otherwise{};           // of a value that nobody knows; without: such a row is rejected
  bool backslashes = false;  // CsvStyle
  // The least that the kind of file says of every row; and what a row says where no column does.
  std::optional<Status> status{};
  bool suppresses = true;  // false: it suppresses nobody
};

// The first that fits is the one.
[[nodiscard]] const std::vector<Format>& known_formats();
// The format with its names and values made plain.
[[nodiscard]] Format plain(Format format);
// Any table with an address: by what its columns are called in English, German, French or Spanish.
[[nodiscard]] const Format& generic_format();

// Files that are no tables; parts of formats().
inline constexpr std::string_view plain_list = "plain-list";
inline constexpr std::string_view hash_list = "hash-list";
inline constexpr std::string_view access_map = "postfix-access";
// What holds are known by that come from a file of no known origin.
inline constexpr std::string_view no_source = "import";

}  // namespace postern::rows
