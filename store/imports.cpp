#include "store/imports.h"

#include "store/contact_record.h"
#include "store/cursor.h"
#include "store/event_record.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <tuple>

#include <fmt/format.h>

namespace postern::store {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t max_text = 1000;
// Later a file by that name is another one: next month's.
constexpr std::chrono::hours goes_on_within{48};

using NumberKey = std::array<std::uint8_t, 8>;

NumberKey key_of(std::uint64_t number) {
  NumberKey key{};
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
  }
  return key;
}

// One list for both directions, so that they cannot differ.
template <class Record, class Field>
void each_count(Record& counts, Field field) {
  field(counts.rows);
  field(counts.added);
  field(counts.unchanged);
  field(counts.returned);
  field(counts.kept);
  field(counts.ignored);
  field(counts.rejected);
}

void encode(const ImportRecord& record, OctetWriter& out) {
  out.u8(version);
  for (const auto* text :
       {&record.name, &record.source, &record.by, &record.file, &record.format}) {
    out.text(*text);
  }
  encode(record.started, out);
  encode(record.ended, out);
  encode(record.undone, out);
  each_count(record.counts, [&](const std::uint64_t& count) { out.u64(count); });
  out.u64(record.origin);
  out.u64(record.first);
  out.u64(record.last);
}

bool decode(Octets key, Octets octets, ImportRecord& record) {
  OctetReader number(key);
  record.number = number.u64();
  OctetReader in(octets);
  if (!number.finished() || in.u8() != version) return false;
  for (auto* text : {&record.name, &record.source, &record.by, &record.file, &record.format}) {
    *text = in.text(max_text);
  }
  record.started = decode_time(in);
  decode(in, record.ended);
  decode(in, record.undone);
  each_count(record.counts, [&](std::uint64_t& count) { count = in.u64(); });
  record.origin = in.u64();
  record.first = in.u64();
  record.last = in.u64();
  return in.finished();
}

Error damaged(const Txn& txn) { return txn.env().damaged("the record of an import"); }

}  // namespace

Result<std::optional<ImportRecord>> get_import(const Txn& txn, const Tables& tables,
                                               std::uint64_t number) {
  const NumberKey key = key_of(number);
  auto octets = txn.get(tables.imports, key);
  if (!octets) return std::unexpected(octets.error());
  if (!*octets) return std::nullopt;
  ImportRecord record;
  if (!decode(key, **octets, record)) return std::unexpected(damaged(txn));
  return record;
}

Result<std::vector<ImportRecord>> all_imports(const Txn& txn, const Tables& tables) {
  auto cursor = Cursor::open(txn, tables.imports);
  if (!cursor) return std::unexpected(cursor.error());
  std::vector<ImportRecord> records;
  auto more = cursor->first();
  for (; more && *more; more = cursor->next()) {
    if (!decode(cursor->key(), cursor->value(), records.emplace_back())) {
      return std::unexpected(damaged(txn));
    }
  }
  if (!more) return std::unexpected(more.error());
  return records;
}

Result<void> put_import(Txn& txn, const Tables& tables, const ImportRecord& record) {
  OctetWriter out;
  encode(record, out);
  return txn.put(tables.imports, key_of(record.number), out.octets());
}

Result<void> name_import(const Txn& txn, const Tables& tables, ImportRecord& record) {
  const auto records = all_imports(txn, tables);
  if (!records) return std::unexpected(records.error());
  const auto broken_off = std::ranges::find_if(*records, [&](const ImportRecord& one) {
    const auto same = [](const ImportRecord& of) {
      return std::tie(of.file, of.source, of.format, of.by);
    };
    const bool soon =
        one.started <= record.started && record.started - one.started < goes_on_within;
    return !one.ended && !one.undone && soon && same(one) == same(record);
  });
  if (broken_off != records->end()) {
    record.number = broken_off->number;
    record.name = broken_off->name;
    record.origin = broken_off->origin;
    record.first = broken_off->first;
    record.last = broken_off->last;
    return {};
  }
  record.number = records->empty() ? 1 : records->back().number + 1;
  const auto taken = [&](const std::string& name) {
    return std::ranges::find(*records, name, &ImportRecord::name) != records->end();
  };
  std::string source = record.source.substr(0, 40);
  std::ranges::replace_if(
      source,
      [](char c) {
        return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '.' || c == '_');
      },
      '-');
  const std::string base = fmt::format("{}-{}", source, format_date(record.started));
  record.name = base;
  for (std::size_t i = 2; taken(record.name); ++i) record.name = fmt::format("{}-{}", base, i);
  return {};
}

bool Repeats::add(std::uint64_t number) {
  if (more || std::ranges::find(imports, number) != imports.end()) return false;
  if (imports.size() < most) {
    imports.push_back(number);
  } else {
    more = true;
  }
  return true;
}

void encode(const Repeats& repeats, OctetWriter& out) {
  out.u8(version);
  out.u8(repeats.more ? 1 : 0);
  out.u32(static_cast<std::uint32_t>(repeats.imports.size()));
  for (const std::uint64_t number : repeats.imports) out.u64(number);
}

bool decode(Octets octets, Repeats& repeats) {
  OctetReader in(octets);
  if (in.u8() != version) return false;
  repeats.more = in.flag();
  repeats.imports.resize(in.count(8));
  for (std::uint64_t& number : repeats.imports) number = in.u64();
  return in.finished();
}

}  // namespace postern::store
