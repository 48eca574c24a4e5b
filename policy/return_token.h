// What a return address says (DESIGN.md 8): whom the mail was sent to, in which context, and when;
// authentic, so that nobody reports a bounce of mail that was never sent, and good for a time. As
// `unsubscribe` it is the address of a List-Unsubscribe's mailto:, and good for ever, as links are.
//
// 37 octets, big-endian: version (2 bits), kind (1) and the low bits of the key's number (5);
// context (8 octets), day (2), contact (16), and of the HMAC-SHA256 of all that the first 10. As
// base32 60 characters: under the 64 of a local part, and in one case, for local parts lose theirs.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "policy/decision.h"
#include "policy/link.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::policy {

inline constexpr std::size_t return_token_size = 60;  // characters

enum class ReturnKind : std::uint8_t { bounce = 0, unsubscribe = 1 };

struct ReturnToken {
  ReturnKind kind = ReturnKind::bounce;
  std::uint64_t context = 0;  // see ReturnContext
  ContactRef contact{};
  std::uint32_t day = 0;  // when it was made: since 1970, UTC; 16 bits are kept
  friend bool operator==(const ReturnToken&, const ReturnToken&) = default;
};

// What the mail was sent as. Known by a hash, so that a token has room for it.
struct ReturnContext {
  std::string stream;  // its name
  std::string sender;  // the original reverse-path; empty: of unsubscribe addresses
  friend bool operator==(const ReturnContext&, const ReturnContext&) = default;
};

// Immutable; from any number of threads without a lock.
class ReturnTokens {
 public:
  // With keys of its own, derived from those: one for each, wiped with it.
  explicit ReturnTokens(const LinkKeys& keys);
  ~ReturnTokens();
  ReturnTokens(const ReturnTokens&) = delete;
  ReturnTokens& operator=(const ReturnTokens&) = delete;

  // The last key makes them. Alike for what is alike.
  [[nodiscard]] std::string make(const ReturnToken& token) const;
  // Of a token in any case. Nothing: forged, damaged, or of a key that is not here. An expired one
  // is authentic still.
  [[nodiscard]] std::optional<ReturnToken> check(std::string_view text) const;
  // Keyed, and the same for the life of a store: by its oldest key.
  [[nodiscard]] std::uint64_t hash(const ReturnContext& context) const;

 private:
  using Secret = std::array<std::uint8_t, 32>;
  struct Key {
    std::uint32_t id = 0;
    Secret secret{};
  };
  std::vector<Key> keys_;  // oldest first
  Secret context_secret_{};
};

// Whether it was made longer ago than it is good for; an unsubscribe address never was. The day
// that it was made on counts whole.
[[nodiscard]] bool expired(const ReturnToken& token, Time now, std::chrono::milliseconds valid_for);

}  // namespace postern::policy
