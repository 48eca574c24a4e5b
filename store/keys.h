// What rows are found by. A contact: a 128-bit keyed hash of its canonical text (DESIGN.md 3):
// fixed size, and still there when the text was erased; without the key it says nothing of the
// address. An event: its id, big-endian, so that the events of an origin lie in their order.
#pragma once

#include "base/result.h"
#include "policy/contact.h"
#include "store/octets.h"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string_view>

using EVP_MAC_CTX = struct evp_mac_ctx_st;

namespace postern::store {

using ContactKey = std::array<std::uint8_t, 16>;
using HashKey = std::array<std::uint8_t, 16>;
using EventKey = std::array<std::uint8_t, 16>;

[[nodiscard]] EventKey event_key(const policy::EventId& id);
[[nodiscard]] policy::EventId event_id(const EventKey& key);
[[nodiscard]] Result<HashKey> random_hash_key();
[[nodiscard]] Result<std::uint64_t> random_origin();

// SipHash-2-4 with 128 bits of output. One for each thread; nothing is allocated for a hash.
class KeyHasher {
 public:
  [[nodiscard]] static Result<KeyHasher> create(const HashKey& key);
  [[nodiscard]] Result<KeyHasher> clone() const { return create(key_); }
  // Of the pieces as if they were one text.
  [[nodiscard]] ContactKey operator()(std::initializer_list<std::string_view> pieces);
  [[nodiscard]] ContactKey operator()(std::string_view text) { return (*this)({text}); }

 private:
  struct Free {
    void operator()(EVP_MAC_CTX* context) const;
  };
  KeyHasher(const HashKey& key, EVP_MAC_CTX* context) : key_(key), context_(context) {}
  HashKey key_;
  std::unique_ptr<EVP_MAC_CTX, Free> context_;
};

}  // namespace postern::store
