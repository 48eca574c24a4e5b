// A row of traffic as it lies in its table. Key: day, contact, campaign, result, so that rows of a
// day lie together and the oldest come first. Value: a version, how often, who sent last, and when.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "store/cursor.h"
#include "store/keys.h"
#include "store/octets.h"
#include "store/traffic.h"

#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

namespace postern::store {

struct TrafficKey {
  std::uint32_t day = 0;  // since 1970, UTC
  ContactKey contact{};   // zero: of those who were forgotten
  std::uint32_t campaign = 0;
  TrafficResult result = TrafficResult::passed;
  friend auto operator<=>(const TrafficKey&, const TrafficKey&) = default;
};
inline constexpr std::size_t traffic_key_size = 4 + 16 + 4 + 1;
inline constexpr std::size_t traffic_contact_at = 4;
using TrafficKeyOctets = std::array<std::uint8_t, traffic_key_size>;

// Times before 1970 are of its first day.
[[nodiscard]] std::uint32_t day_of(Time time);
[[nodiscard]] TrafficKeyOctets encode(const TrafficKey& key);
// False where it is no such key.
[[nodiscard]] bool decode(Octets octets, TrafficKey& key);

inline constexpr std::size_t max_sender = 254;  // octets that are kept: RFC 5321 section 4.5.3.1.3

struct TrafficRecord {
  std::uint32_t count = 0;
  Time last{};
  // Of the last one; empty for <>, and where the contact was forgotten. Points to where it was
  // read.
  std::string_view sender;
};
// Appends to `out`.
void encode(const TrafficRecord& record, OctetWriter& out);
[[nodiscard]] bool decode(Octets octets, TrafficRecord& record);

// Puts the row, or what it counts on top of the one that is there (false): the later of both says
// who sent last. `cursor` is one of the table, and stays there.
[[nodiscard]] Result<bool> add_row(const Txn& txn, Cursor& cursor, const TrafficKeyOctets& key,
                                   Octets value);

}  // namespace postern::store
