#include "proxy/rate_table.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <span>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace postern::proxy {

RateTable::RateTable(std::size_t sets) : sets_(sets) {
  if (::RAND_bytes(secret_.data(), static_cast<int>(secret_.size())) != 1) throw std::bad_alloc();
}

std::array<std::uint64_t, 2> RateTable::hash(std::string_view key) const {
  std::array<std::uint8_t, 32> digest{};
  unsigned size = 0;
  if (::HMAC(::EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
             reinterpret_cast<const std::uint8_t*>(key.data()), key.size(), digest.data(),
             &size) == nullptr) {
    throw std::bad_alloc();
  }
  std::array<std::uint64_t, 2> words{};
  std::memcpy(words.data(), digest.data(), sizeof words);
  return words;
}

bool RateTable::take(std::string_view key, std::uint32_t per_minute, Clock::time_point now) {
  constexpr std::chrono::nanoseconds minute = std::chrono::minutes(1);
  if (buckets_.empty()) buckets_.resize(sets_ * ways);
  const auto [place, name] = hash(key);
  const auto set = std::span(buckets_).subspan(place % sets_ * ways, ways);
  auto bucket = std::ranges::find(set, name, &Bucket::key);
  if (bucket == set.end()) {
    bucket = std::ranges::min_element(set, {}, &Bucket::paid);
    *bucket = {.key = name, .paid = now};
  }
  const auto paid = std::max(bucket->paid, now) + minute / per_minute;
  if (paid > now + minute) return false;
  bucket->paid = paid;
  return true;
}

}  // namespace postern::proxy
