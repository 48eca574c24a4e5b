#include "store/keys.h"

#include <cstddef>
#include <stdexcept>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
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

void KeyHasher::Free::operator()(EVP_MAC_CTX* context) const { ::EVP_MAC_CTX_free(context); }

Result<KeyHasher> KeyHasher::create(const HashKey& key) {
  EVP_MAC* mac = ::EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
  EVP_MAC_CTX* context = mac != nullptr ? ::EVP_MAC_CTX_new(mac) : nullptr;
  ::EVP_MAC_free(mac);
  if (context == nullptr) return fail(Errc::io, "OpenSSL has no SIPHASH");
  KeyHasher hasher(key, context);
  std::size_t size = std::tuple_size_v<ContactKey>;
  const std::array parameters{::OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                              ::OSSL_PARAM_construct_end()};
  if (::EVP_MAC_init(context, key.data(), key.size(), parameters.data()) != 1) {
    return fail(Errc::io, "OpenSSL's SIPHASH does not start");
  }
  return hasher;
}

ContactKey KeyHasher::operator()(std::initializer_list<std::string_view> pieces) {
  ContactKey hash{};
  std::size_t written = 0;
  // With the key each time: OpenSSL 3.0 does not start anew without it.
  bool good = ::EVP_MAC_init(context_.get(), key_.data(), key_.size(), nullptr) == 1;
  for (const std::string_view piece : pieces) {
    const Octets octets = octets_of(piece);
    good = good && ::EVP_MAC_update(context_.get(), octets.data(), octets.size()) == 1;
  }
  good = good && ::EVP_MAC_final(context_.get(), hash.data(), &written, hash.size()) == 1;
  if (!good || written != hash.size()) throw std::runtime_error("OpenSSL's SIPHASH failed");
  return hash;
}

}  // namespace postern::store
