// What rows are found by. A contact: a 128-bit keyed hash of its canonical text (DESIGN.md 3):
// fixed size, and still there when the text was erased; without the key it says nothing of the
// address. An event: its id, big-endian, so that the events of an origin lie in their order.
#pragma once

#include "base/result.h"
#include "policy/contact.h"
#include "store/octets.h"
#include "store/siphash.h"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace postern::store {

using ContactKey = std::array<std::uint8_t, 16>;
using HashKey = std::array<std::uint8_t, 16>;
using EventKey = std::array<std::uint8_t, 16>;

[[nodiscard]] EventKey event_key(const policy::EventId& id);
[[nodiscard]] policy::EventId event_id(const EventKey& key);
[[nodiscard]] Result<HashKey> random_hash_key();
[[nodiscard]] Result<std::uint64_t> random_origin();

// The keyed hash that a contact is found by: SipHash-2-4 with 128 bits of output. A value; nothing
// is allocated for a hash.
class KeyHasher {
 public:
  explicit KeyHasher(const HashKey& key) : key_(key) {}
  // Of the pieces as if they were one text.
  [[nodiscard]] ContactKey operator()(std::initializer_list<std::string_view> pieces) const {
    return siphash(key_, pieces);
  }
  [[nodiscard]] ContactKey operator()(std::string_view text) const { return (*this)({text}); }

 private:
  HashKey key_;
};

}  // namespace postern::store
