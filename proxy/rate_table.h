// How much each of many keys did within the last minute, in memory of a fixed size: strangers
// choose the keys. Not for several threads.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace postern::proxy {

class RateTable {
 public:
  using Clock = std::chrono::steady_clock;
  // Room for `sets` times eight keys, taken when the first one comes.
  explicit RateTable(std::size_t sets = 8192);

  // One more of the key: false, and not counted, where it is more than `per_minute` allows. Whoever
  // was idle for a minute may do all of it at once; then it comes back evenly.
  [[nodiscard]] bool take(std::string_view key, std::uint32_t per_minute, Clock::time_point now);

 private:
  // A bucket is known by a hash with a secret, so that nobody can choose whose place their keys
  // take. Where a set is full, the key goes that owes least: to be rid of a limit by it takes many
  // keys that have all used up more of theirs.
  struct Bucket {
    std::uint64_t key = 0;
    Clock::time_point paid{};  // when all that it did is a minute's share and more ago
  };
  static constexpr std::size_t ways = 8;
  [[nodiscard]] std::array<std::uint64_t, 2> hash(std::string_view key) const;

  const std::size_t sets_;
  std::array<std::uint8_t, 32> secret_{};
  std::vector<Bucket> buckets_;
};

}  // namespace postern::proxy
