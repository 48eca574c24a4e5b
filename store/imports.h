// What is known of each import: its name, where its rows came from, how it went, and which events
// it made, so that it can be listed and undone.
#pragma once

#include "base/result.h"
#include "store/octets.h"
#include "store/tables.h"
#include "store/txn.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace postern::store {

struct ImportCounts {
  std::uint64_t rows = 0;
  std::uint64_t added = 0;
  std::uint64_t unchanged = 0;
  std::uint64_t returned = 0;  // the very hold was lifted since: it stays lifted
  std::uint64_t kept = 0;      // "subscribed", but held: the hold stays
  std::uint64_t ignored = 0;   // rows that suppress nobody
  std::uint64_t rejected = 0;
  friend bool operator==(const ImportCounts&, const ImportCounts&) = default;
};

struct ImportRecord {
  std::uint64_t number = 0;  // from 1
  std::string name;          // "mailchimp-2026-11-22", "mailchimp-2026-11-22-2"; no two alike
  std::string source;        // what its holds are known by
  std::string by;            // the operator and the command
  std::string file;          // the file's name, without its folder
  std::string format;        // what the file was taken for
  Time started{};
  std::optional<Time> ended;  // none: under way, or broken off: the same file again goes on
  std::optional<Time> undone;
  ImportCounts counts;
  // Its events are among these of `origin`; both 0 where it made none.
  std::uint64_t origin = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

[[nodiscard]] Result<std::optional<ImportRecord>> get_import(const Txn& txn, const Tables& tables,
                                                             std::uint64_t number);
[[nodiscard]] Result<std::vector<ImportRecord>> all_imports(const Txn& txn, const Tables& tables);
[[nodiscard]] Result<void> put_import(Txn& txn, const Tables& tables, const ImportRecord& record);
// The next number, and a name that none has: `source` and the day. Or those of the same import, of
// the same file, where it was broken off shortly before: it goes on, and is undone as one.
[[nodiscard]] Result<void> name_import(const Txn& txn, const Tables& tables, ImportRecord& record);

// The other imports that said what stands already, of one hold; so that undoing one of them does
// not lift what another said too. Beyond a few it says "more", which is never undone.
struct Repeats {
  static constexpr std::size_t most = 3;
  std::vector<std::uint64_t> imports;
  bool more = false;
  // False where nothing changed.
  bool add(std::uint64_t number);
};
void encode(const Repeats& repeats, OctetWriter& out);
[[nodiscard]] bool decode(Octets octets, Repeats& repeats);

}  // namespace postern::store
