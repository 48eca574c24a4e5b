// What comes in from files and goes out to them: import and export.
#pragma once

#include "policy/stream.h"
#include "store/digests.h"
#include "store/rows/row_reader.h"
#include "store/store.h"

#include <cstdint>
#include <functional>
#include <istream>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

namespace postern::store {

struct RejectedRow {
  std::uint64_t line = 0;
  std::string text;    // what stood there: its first line, UTF-8
  std::string reason;  // and why it is no row
};
// A contact that a row calls subscribed, and who is held.
struct KeptRow {
  std::uint64_t line = 0;
  policy::CanonicalAddress address;
  policy::Hold hold;
};

struct ImportOptions {
  std::optional<rows::Status> status;  // of rows without one: unsubscribed, unless given
  std::string stream;  // scope of rows that name none; empty: every marketing stream
  std::string source;  // what the holds are known by; empty: as the format is recognised
  rows::ReadOptions reading;
  bool force_format = false;  // a file of bounces as subscribed
  bool dry_run = false;       // everything but the writing
  std::string by;             // the operator and the command
  std::string file;           // its name, for the list of imports
  // Names that a stream had: a row is known under each. nullptr: none.
  const policy::Streams* streams = nullptr;
  Time now{};
  // Rows a commit, about: other writers get their turn between. Ten times as many where nobody else
  // has the store in use.
  std::size_t chunk = 20'000;
  std::size_t memory = 64UL << 20U;  // for rows while they are sorted
  bool may_reopen = false;  // the store may be closed and opened again: no reader of it is in use
  std::function<void(const RejectedRow&)> rejected;  // each, those of the reading in order
  std::function<void(const KeptRow&)> kept;
  enum class Phase : std::uint8_t { reading, writing };
  std::function<void(Phase, std::uint64_t done)> progress;  // octets read; rows written
  std::function<bool()> stop;  // asked now and then: true ends the import with Errc::cancelled
};

struct ImportSummary {
  ImportCounts counts;
  std::uint64_t kept_unsubscribed = 0;
  std::uint64_t kept_bounced = 0;
  std::uint64_t kept_complained = 0;
  std::uint64_t kept_blocked = 0;
  std::uint64_t future = 0;  // rows with a date that is yet to come: they count from now on
  std::optional<rows::Recognised> recognised;
  std::string import;  // its name; empty where nothing was recorded
  // Errc::invalid: the file cannot be imported so, and nothing was. Errc::conflict: the import was
  // undone while it was under way. Errc::cancelled: stopped. Otherwise the store or the file
  // failed. The counts are of what was committed until then.
  std::optional<Error> error;
};

// Every good row is stored though others are bad. It adds restrictions and never lifts one. The
// file is read to its end first, its rows sorted, then written in chunks: broken off there, the
// same file again goes on, and changes nothing of what was done.
[[nodiscard]] ImportSummary import_rows(Store& store, std::istream& in,
                                        const ImportOptions& options);

enum class ExportFormat : std::uint8_t { csv, jsonl, postfix };
struct ExportOptions {
  std::optional<rows::Status> status;
  // What binds this stream: by its name or a former one, or as one of every (marketing) stream.
  // Empty: everything. One that `streams` does not have is Errc::invalid.
  std::string stream;
  const policy::Streams* streams = nullptr;  // of the configuration; needed with `stream`
  std::string reason;                        // part of the reason, case-insensitive
  std::optional<Time> since;                 // dated then or later
  std::optional<Digest> hashed;              // digests for addresses, and no other text
  ExportFormat format = ExportFormat::csv;
  Time now{};
};
struct ExportSummary {
  std::uint64_t rows = 0;
  // Contacts that were asked for and cannot be named: their address was erased, a map cannot hold
  // it, or they have no digest of that kind.
  std::uint64_t nameless = 0;
};
// One row a hold that stands (and a consent): what import reads back without loss, dates, scopes
// and identities included. `postfix`: an access map, one line an address. Pages through the store:
// no long read transaction.
[[nodiscard]] Result<ExportSummary> export_rows(const Store& store, std::ostream& out,
                                                const ExportOptions& options);

}  // namespace postern::store
