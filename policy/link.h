// What a List-Unsubscribe link says (DESIGN.md 8): sealed, so that nobody reads an address from it
// or makes one up, and for ever, because mail lies about for years.
//
// A token is base32 of: version (1 octet), number of the key (4, big-endian), SIV (16), ciphertext.
// AES-SIV (RFC 5297) with the first two as associated data: it needs no nonce that must not come
// twice, and the same subject has the same link. The plaintext is filled with zeros to a multiple
// of 16 octets: a token's length tells the length of what is in it no closer.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "policy/address.h"
#include "policy/traffic.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using EVP_CIPHER = struct evp_cipher_st;

namespace postern::policy {

inline constexpr std::size_t max_link_address = 600;  // octets
// As much as rows keep, so that a click is counted under the name that its mail was.
inline constexpr std::size_t max_link_campaign = max_campaign;
inline constexpr std::size_t max_sealed_octets = 4096;  // of a companion

// What a link is about.
struct LinkSubject {
  CanonicalAddress address;
  std::string stream;
  std::string campaign;   // cut to max_link_campaign octets, between two characters, when sealed
  std::uint32_t day = 0;  // when it was made: days since 1970, UTC
  friend bool operator==(const LinkSubject&, const LinkSubject&) = default;
};

// The two keys of AES-256-SIV. Wiped when it dies, each copy by itself.
struct LinkKey {
  std::uint32_t id = 0;
  std::array<std::uint8_t, 64> secret{};
  ~LinkKey();
};
[[nodiscard]] Result<LinkKey> random_link_key(std::uint32_t id);

// Immutable. From any number of threads without a lock: each call has a cipher context of its own,
// and what is shared is only read. Copies are cheap enough for one a thread.
class LinkKeys {
 public:
  // Oldest first: the last one seals, all of them open. Errc::invalid where there is none, or a
  // number comes twice.
  [[nodiscard]] static Result<LinkKeys> create(std::vector<LinkKey> keys);

  // a-z and 2-7. Errc::invalid: no address, or one that is too long, or a stream's name longer than
  // max_stream_name.
  [[nodiscard]] Result<std::string> seal(const LinkSubject& subject) const;
  // Of a token in any case. Nothing: forged, damaged, too long, or of a key that is not here.
  [[nodiscard]] std::optional<LinkSubject> open(std::string_view token) const;

  // Short-lived companions of a link (the undo of the page): up to max_sealed_octets of anything,
  // of which only the same purpose makes sense, and only before `expires`. Errc::invalid: too many.
  [[nodiscard]] Result<std::string> seal(std::string_view purpose, std::string_view octets,
                                         Time expires) const;
  [[nodiscard]] std::optional<std::string> open(std::string_view purpose, std::string_view token,
                                                Time now) const;

  // Oldest first: for what derives keys of its own from them.
  [[nodiscard]] const std::vector<LinkKey>& all() const { return keys_; }

 private:
  enum class Kind : std::uint8_t;
  LinkKeys(std::vector<LinkKey> keys, std::shared_ptr<EVP_CIPHER> cipher)
      : keys_(std::move(keys)), cipher_(std::move(cipher)) {}
  [[nodiscard]] Result<std::string> seal_octets(Kind kind, std::string_view purpose,
                                                std::string plain) const;
  [[nodiscard]] std::optional<std::string> open_octets(Kind kind, std::string_view purpose,
                                                       std::string_view token,
                                                       std::size_t most_plain) const;

  std::vector<LinkKey> keys_;
  std::shared_ptr<EVP_CIPHER> cipher_;
};

}  // namespace postern::policy
