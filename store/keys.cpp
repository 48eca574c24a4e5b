#include "store/keys.h"

#include <cstddef>

#include <openssl/rand.h>

namespace postern::store {
namespace {

Result<void> fill_random(std::span<std::uint8_t> into) {
  if (::RAND_bytes(into.data(), static_cast<int>(into.size())) != 1) {
    return fail(Errc::io, "the system gives no random numbers");
  }
  return {};
}

}  // namespace

EventKey event_key(const policy::EventId& id) {
  EventKey key{};
  for (std::size_t i = 0; i < 8; ++i) {
    key[i] = static_cast<std::uint8_t>(id.origin >> (56 - 8 * i));
    key[8 + i] = static_cast<std::uint8_t>(id.sequence >> (56 - 8 * i));
  }
  return key;
}

policy::EventId event_id(const EventKey& key) {
  OctetReader in(key);
  policy::EventId id;
  id.origin = in.u64();
  id.sequence = in.u64();
  return id;
}

Result<HashKey> random_hash_key() {
  HashKey key{};
  if (auto filled = fill_random(key); !filled) return std::unexpected(filled.error());
  return key;
}

Result<std::uint64_t> random_origin() {
  std::array<std::uint8_t, 8> octets{};
  if (auto filled = fill_random(octets); !filled) return std::unexpected(filled.error());
  return OctetReader(octets).u64();
}

}  // namespace postern::store
