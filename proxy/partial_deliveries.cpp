#include "proxy/partial_deliveries.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace postern::proxy {

namespace {

// Of what was begun and found no room: end() knows more.
constexpr std::chrono::hours longest_under_way{1};
// Of a shard whose pairs have expired: how often it is looked through.
constexpr std::chrono::minutes between_looks{1};

}  // namespace

PartialDeliveries::Pair PartialDeliveries::pair_of(std::string_view reverse_path,
                                                   std::string_view recipient) {
  return policy::copy_key(reverse_path, {}, recipient);
}

// A digest already; the shard is chosen by other octets of it.
std::size_t PartialDeliveries::Hash::operator()(const Pair& pair) const {
  std::size_t hash = 0;
  std::memcpy(&hash, pair.octets.data(), sizeof hash);
  return hash;
}

std::size_t PartialDeliveries::shard_of(const Pair& pair) { return pair.octets.back() % 16U; }

void PartialDeliveries::begin(std::span<const Pair> pairs, Time now) {
  for (const Pair& pair : pairs) {
    auto& shard = shards_[shard_of(pair)];
    const std::lock_guard lock(shard.mutex);
    forget_expired(shard, now);
    if (size_.load(std::memory_order_relaxed) >= room_ && !shard.pairs.contains(pair)) {
      know_all(now + longest_under_way);
      continue;
    }
    const auto [place, is_new] = shard.pairs.try_emplace(pair);
    ++place->second.under_way;
    if (is_new) size_.fetch_add(1);
  }
}

void PartialDeliveries::end(std::span<const Pair> pairs, Time until, Time now) {
  for (const Pair& pair : pairs) {
    auto& shard = shards_[shard_of(pair)];
    const std::lock_guard lock(shard.mutex);
    const auto place = shard.pairs.find(pair);
    if (place == shard.pairs.end()) {
      know_all(until);
      continue;
    }
    auto& known = place->second;
    known.until = std::max(known.until, until);
    if (known.under_way > 0) --known.under_way;
    if (known.under_way > 0 || known.until > now) continue;
    shard.pairs.erase(place);
    size_.fetch_sub(1);
  }
}

void PartialDeliveries::know_all(Time until) {
  const std::int64_t wanted = until.time_since_epoch().count();
  auto had = all_until_.load();
  while (had < wanted && !all_until_.compare_exchange_weak(had, wanted)) {
  }
}

bool PartialDeliveries::knows_all(Time now) const {
  return all_until_.load(std::memory_order_relaxed) > now.time_since_epoch().count();
}

bool PartialDeliveries::knows_any(Time now) const {
  return size_.load(std::memory_order_acquire) != 0 || knows_all(now);
}

bool PartialDeliveries::knows(std::string_view reverse_path, std::string_view recipient,
                              Time now) const {
  if (knows_all(now)) return true;
  const Pair pair = pair_of(reverse_path, recipient);
  const auto& shard = shards_[shard_of(pair)];
  const std::lock_guard lock(shard.mutex);
  const auto place = shard.pairs.find(pair);
  return place != shard.pairs.end() && (place->second.under_way > 0 || place->second.until > now);
}

void PartialDeliveries::forget_expired(Shard& shard, Time now) {
  if (now - shard.looked_through < between_looks) return;
  shard.looked_through = now;
  size_.fetch_sub(std::erase_if(shard.pairs, [&](const auto& one) {
    return one.second.under_way == 0 && one.second.until <= now;
  }));
}

}  // namespace postern::proxy
