#include "store/traffic_row.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

namespace postern::store {
namespace {

constexpr std::uint8_t version = 1;

std::uint32_t sum(std::uint32_t a, std::uint32_t b) {
  return a + std::min(b, std::numeric_limits<std::uint32_t>::max() - a);
}

}  // namespace

std::uint32_t day_of(Time time) {
  const auto days = std::chrono::floor<std::chrono::days>(time.time_since_epoch()).count();
  return static_cast<std::uint32_t>(std::max<decltype(days)>(days, 0));
}

TrafficKeyOctets encode(const TrafficKey& key) {
  TrafficKeyOctets octets{};
  auto* out = octets.data();
  const auto number = [&](std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) *out++ = static_cast<std::uint8_t>(value >> shift);
  };
  number(key.day);
  out = std::ranges::copy(key.contact, out).out;
  number(key.campaign);
  *out = static_cast<std::uint8_t>(key.result);
  return octets;
}

bool decode(Octets octets, TrafficKey& key) {
  OctetReader in(octets);
  key.day = in.u32();
  in.raw(key.contact);
  key.campaign = in.u32();
  const std::uint8_t result = in.u8();
  if (result >= traffic_results) return false;
  key.result = static_cast<TrafficResult>(result);
  return in.finished();
}

void encode(const TrafficRecord& record, OctetWriter& out) {
  out.u8(version);
  out.u32(record.count);
  out.i64(record.last.time_since_epoch().count());
  out.text(record.sender);
}

bool decode(Octets octets, TrafficRecord& record) {
  OctetReader in(octets);
  if (in.u8() != version) return false;
  record.count = in.u32();
  record.last = Time{std::chrono::seconds{in.i64()}};
  record.sender = in.text(max_sender);
  return in.finished();
}

Result<bool> add_row(const Txn& txn, Cursor& cursor, const TrafficKeyOctets& key, Octets value) {
  auto added = cursor.add(key, value);
  if (!added || *added) return added;
  TrafficRecord before;
  TrafficRecord more;
  if (!decode(cursor.value(), before) || !decode(value, more))
    return std::unexpected(txn.env().damaged("a row of the traffic"));
  if (before.last > more.last) std::swap(before, more);
  more.count = sum(more.count, before.count);
  OctetWriter both;
  encode(more, both);
  if (auto done = cursor.replace(key, both.octets()); !done) return std::unexpected(done.error());
  return false;
}

}  // namespace postern::store
