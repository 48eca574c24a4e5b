// Return mail that was not understood, kept for a look: at most 200 messages, for 30 days, of each
// the first 64 KiB. It is personal: what forgets a contact drops it.
#pragma once

#include "base/time.h"
#include "policy/bounce.h"
#include "policy/decision.h"
#include "store/keys.h"
#include "store/tables.h"
#include "store/txn.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace postern::store {

inline constexpr std::size_t max_kept_mail = 200;
inline constexpr std::chrono::days mail_kept{30};
inline constexpr std::size_t max_kept_octets = 64UL * 1024;

struct KeptMail {
  std::uint64_t number = 0;  // from 1, given by the store; no two alike, ever
  Time time{};               // when it came
  policy::ContactRef ref{};  // the contact of its token; all zero where it had none
  std::string stream;
  std::string sender;   // its reverse-path; empty for <>
  std::string subject;  // decoded, UTF-8
  policy::ReturnType type = policy::ReturnType::unknown;
  std::uint64_t size = 0;  // of the whole message
  std::string message;     // its first octets, as they came; empty in listings
};

// In the writer's transaction. What is of one of these contacts, or from it, or has `address` in
// its kept octets (empty: it is not known), and came up to then; how much that was.
[[nodiscard]] Result<std::uint64_t> forget_mail(Txn& txn, const Tables& tables,
                                                const KeyHasher& hasher,
                                                std::span<const ContactKey> contacts,
                                                std::string_view address, Time until);
// What is beyond its time.
[[nodiscard]] Result<void> prune_mail(Txn& txn, const Tables& tables, Time now);
// False where the row is no kept message.
[[nodiscard]] bool decode(Octets key, Octets octets, KeptMail& mail, bool with_message);

}  // namespace postern::store
