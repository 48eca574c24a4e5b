// Hash lists: entries of which only the MD5, SHA-1 or SHA-256 of an address is known, in lower-case
// hex digits. FIELD.md 4.8: of the trimmed, lower-case address.
#pragma once

#include "base/config.h"
#include "base/result.h"
#include "policy/address.h"
#include "store/tables.h"
#include "store/txn.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::store {

enum class Digest : std::uint8_t { md5 = 1, sha1 = 2, sha256 = 4 };
[[nodiscard]] std::optional<Digest> parse_digest(std::string_view name);  // "md5", "sha1", "sha256"
// 32, 40 or 64 hex digits, lower case.
[[nodiscard]] bool is_digest(std::string_view text);
[[nodiscard]] std::string hex_digest(Digest kind, std::string_view text);

// Which kinds a store has entries of, as a sum of Digest: only those are computed at RCPT.
[[nodiscard]] Result<unsigned> digest_kinds(const Txn& txn, const Tables& tables);
// Remembers the kind of `digest`.
[[nodiscard]] Result<void> note_digest(Txn& txn, const Tables& tables, std::string_view digest);

// Under which digests of `kinds` an address may be listed: its own, that without its subaddress,
// and both as the provider's rule folds them.
[[nodiscard]] std::vector<std::string> digests_of(const policy::CanonicalAddress& address,
                                                  const std::vector<ProviderConfig>& providers,
                                                  unsigned kinds);
inline constexpr unsigned every_digest = 7;

}  // namespace postern::store
