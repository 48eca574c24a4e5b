// What comes in from files and goes out to them: import and export. Rows are parsed here, streams
// of octets are given.
#pragma once

#include "policy/stream.h"
#include "store/store.h"

#include <cstdint>
#include <functional>
#include <istream>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace postern::store {

// What a row says of a contact. INTERFACE.md, `import --status`.
enum class RowStatus : std::uint8_t { unsubscribed, bounced, complained, blocked, subscribed };
[[nodiscard]] std::optional<RowStatus> parse_row_status(std::string_view text);

struct ImportOptions {
  std::optional<RowStatus> status;  // rows without one: unsubscribed, unless given
  std::string stream;               // scope of rows that name none; empty: every marketing stream
  std::string source;               // required for subscribed rows
  Time now{};
  std::size_t chunk = 10'000;  // changes a commit, about: other writers get their turn in between
};

struct RejectedRow {
  std::uint64_t line = 0;
  std::string text;    // what stood there, printable, cut
  std::string reason;  // and why it is no row
};
struct ImportSummary {
  std::uint64_t rows = 0, added = 0, unchanged = 0, returned = 0, kept = 0, rejected = 0;
  std::uint64_t kept_unsubscribed = 0, kept_bounced = 0, kept_complained = 0, kept_blocked = 0;
  std::vector<RejectedRow> rejections;  // the first 1,000; `rejected` counts all
  // The store or the file failed there. The counts are of the rows until then; a row that waited
  // for its commit is in none of them.
  std::optional<Error> error;
};

// One parsed row, or why it is none: pure, for the importer and its fuzz target.
struct Row {
  policy::CanonicalAddress address;
  std::optional<RowStatus> status;
  std::string scope;  // "" where the row has none; "all"; a stream's name
  std::optional<Time> date;
  std::optional<Time> until;
  std::string source;
  std::string note;
};
// Reads CSV with a header line (`email` or `address`; `status`, `stream`, `date`, `until`,
// `source`, `reason` where there), a plain list (an address or domain pattern a line), or JSON
// lines as `export` writes them. UTF-8, a BOM is skipped; RFC 4180 quotes. Lines of more than 64
// KiB are rejected rows. Calls back in order with the row and its line number.
class RowReader {
 public:
  explicit RowReader(std::istream& in);
  ~RowReader();
  struct Next {
    std::uint64_t line = 0;
    std::string text;
    Result<Row> row;
  };
  // nullopt at the end.
  [[nodiscard]] std::optional<Next> next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Every good row is stored though others are bad. Where the store or the file fails, the summary
// says so beside what was done until then: what was committed stays, and the same file again
// changes nothing of it.
[[nodiscard]] ImportSummary import_rows(Store& store, std::istream& in,
                                        const ImportOptions& options);

enum class ExportFormat : std::uint8_t { csv, jsonl, postfix };
struct ExportOptions {
  std::optional<RowStatus> status;
  // What binds this stream: by its name or a former one, or as one of every (marketing) stream.
  // Empty: everything. One that `streams` does not have is Errc::invalid.
  std::string stream;
  const policy::Streams* streams = nullptr;  // of the configuration; needed with `stream`
  ExportFormat format = ExportFormat::csv;
  Time now{};
};
// One row a hold that stands (and a consent): what import reads back without loss, dates and scopes
// included; a hold that was lifted for some streams goes out whole. `postfix`: an access map, one
// line an address. Pages through the store: no long read transaction.
[[nodiscard]] Result<std::uint64_t> export_rows(const Store& store, std::ostream& out,
                                                const ExportOptions& options);

}  // namespace postern::store
