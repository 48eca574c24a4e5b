#include "store/reports.h"

#include "store/cursor.h"
#include "store/octets.h"
#include "store/traffic_row.h"

#include <vector>

namespace postern::store {
namespace {

// The kinds of row in the one table, by the first octet of their keys.
constexpr std::uint8_t by_report = 'r';  // report -> day
constexpr std::uint8_t by_day = 'd';     // day, report -> nothing
constexpr std::size_t swept = 4;         // of those beyond their time, with each call

OctetWriter report_key(const ContactKey& report) {
  OctetWriter key;
  key.u8(by_report);
  key.raw(report);
  return key;
}

OctetWriter day_key(std::uint32_t day, const ContactKey& report) {
  OctetWriter key;
  key.u8(by_day);
  key.u32(day);
  key.raw(report);
  return key;
}

struct Expired {
  std::uint32_t day = 0;
  ContactKey report{};
};

Result<std::vector<Expired>> expired(const Txn& txn, Table reports, std::uint32_t before) {
  std::vector<Expired> found;
  auto cursor = Cursor::open(txn, reports);
  if (!cursor) return std::unexpected(cursor.error());
  auto more = cursor->at_or_after(day_key(0, {}).octets());
  for (; more && *more && found.size() < swept; more = cursor->next()) {
    OctetReader in(cursor->key());
    if (in.u8() != by_day) break;
    Expired one{.day = in.u32()};
    in.raw(one.report);
    if (!in.finished()) return std::unexpected(txn.env().damaged("a row of the reports"));
    if (one.day >= before) break;
    found.push_back(one);
  }
  if (!more) return std::unexpected(more.error());
  return found;
}

Result<void> sweep(Txn& txn, Table reports, std::uint32_t before) {
  auto old = expired(txn, reports, before);
  if (!old) return std::unexpected(old.error());
  for (const auto& [day, report] : *old) {
    auto done = txn.remove(reports, report_key(report).octets());
    if (done) done = txn.remove(reports, day_key(day, report).octets());
    if (!done) return done;
  }
  return {};
}

}  // namespace

Result<bool> note_report(Txn& txn, Table reports, const ContactKey& report, Time now) {
  if (auto done = sweep(txn, reports, day_of(now - reports_known)); !done) {
    return std::unexpected(done.error());
  }
  const std::uint32_t today = day_of(now);
  OctetWriter day;
  day.u32(today);
  auto fresh = txn.add(reports, report_key(report).octets(), day.octets());
  if (!fresh || !*fresh) return fresh;
  if (auto done = txn.put(reports, day_key(today, report).octets(), {}); !done) {
    return std::unexpected(done.error());
  }
  return true;
}

}  // namespace postern::store
