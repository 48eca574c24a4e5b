// Campaigns by number: a row of traffic names its stream and campaign in four octets. A number is
// given once; it goes when the last row that may name it has.
#pragma once

#include "base/result.h"
#include "store/tables.h"
#include "store/txn.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace postern::store {

struct Campaign {
  std::string stream;
  std::string name;  // empty: the mail named none
};

// What further campaigns of a stream are counted under: their names are strangers' text.
inline constexpr std::string_view other_campaigns = "(others)";
inline constexpr std::uint32_t max_campaigns = 100'000;  // of a stream

// As it is kept: cut, without controls.
[[nodiscard]] std::string kept_campaign(std::string_view name);
// The campaign's number, and that it was used on `day`. Names are cut to what is kept of them;
// controls become blanks.
[[nodiscard]] Result<std::uint32_t> number_of(Txn& txn, const Tables& tables,
                                              std::string_view stream, std::string_view campaign,
                                              std::uint32_t day,
                                              std::uint32_t limit = max_campaigns);
// Errc::damaged where no campaign has that number.
[[nodiscard]] Result<Campaign> campaign_of(const Txn& txn, const Tables& tables,
                                           std::uint32_t number);
// Those that were last used before `day`, at most `limit` of them.
[[nodiscard]] Result<void> drop_campaigns(Txn& txn, const Tables& tables, std::uint32_t day,
                                          std::size_t limit);

}  // namespace postern::store
