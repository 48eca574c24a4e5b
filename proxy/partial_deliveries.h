// Who may have got a copy of a message that its sender sends again. A retry of it that has only one
// recipient left (the upstream defers the others at RCPT) would flow through unread, and reach
// somebody who had it: whom this knows is asked after in the ledger (policy/ledger.h), by a message
// that is taken whole first. One for the gate; from any thread.
#pragma once

#include "base/time.h"
#include "policy/ledger.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postern::proxy {

class PartialDeliveries {
 public:
  using Pair = policy::CopyKey;
  // Of the reverse-path, and of the recipient's canonical text.
  [[nodiscard]] static Pair pair_of(std::string_view reverse_path, std::string_view recipient);

  // `room`: for so many pairs; were there more, everybody is known for as long as they could be.
  explicit PartialDeliveries(std::size_t room = 1UL << 18U) : room_(room) {}

  // Copies to them are under way until end(), which follows once for each begin() of a pair: from
  // then on they are known until `until`, of which the latest counts; in the past: not at all.
  void begin(std::span<const Pair> pairs, Time now);
  void end(std::span<const Pair> pairs, Time until, Time now);
  // Everybody is known until then: what a former process left on record names nobody.
  void know_all(Time until);

  // Costs two loads: asked first.
  [[nodiscard]] bool knows_any(Time now) const;
  [[nodiscard]] bool knows(std::string_view reverse_path, std::string_view recipient,
                           Time now) const;

 private:
  struct Known {
    std::uint32_t under_way = 0;
    Time until{};
  };
  struct Hash {
    std::size_t operator()(const Pair& pair) const;
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<Pair, Known, Hash> pairs;
    Time looked_through{};
  };
  [[nodiscard]] static std::size_t shard_of(const Pair& pair);
  [[nodiscard]] bool knows_all(Time now) const;
  void forget_expired(Shard& shard, Time now);

  const std::size_t room_;
  std::atomic<std::size_t> size_ = 0;
  std::atomic<std::int64_t> all_until_ = 0;  // seconds since 1970
  std::array<Shard, 16> shards_;
};

}  // namespace postern::proxy
