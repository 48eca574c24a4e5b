// The words for return mail: what it is, what it says of an address, and why. INTERFACE.md,
// "postern dsn", fixes them; their numbers are the store's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace postern::policy {

// `delivered`: relayed and expanded too.
enum class ReturnType : std::uint8_t {
  unknown = 0,
  bounce = 1,
  delayed = 2,
  delivered = 3,
  complaint = 4,
  auto_reply = 5,
  unsubscribe = 6,
};
inline constexpr std::uint8_t return_types = 7;
[[nodiscard]] std::string_view to_string(ReturnType type);  // "auto-reply", ...
[[nodiscard]] std::optional<ReturnType> parse_return_type(std::string_view text);

enum class BounceReason : std::uint8_t {
  undefined = 0,
  user_unknown = 1,
  domain_unknown = 2,
  moved = 3,
  not_accepting = 4,
  disabled = 5,
  mailbox_full = 6,
  message_too_large = 7,
  content = 8,
  spam = 9,
  virus = 10,
  policy = 11,
  authentication = 12,
  reputation = 13,
  rate_limited = 14,
  greylisted = 15,
  relay_denied = 16,
  expired = 17,
  network = 18,
  tls = 19,
  system = 20,
  system_full = 21,
  protocol = 22,
  loop = 23,
  suppressed = 24,
};
inline constexpr std::uint8_t bounce_reasons = 25;
[[nodiscard]] std::string_view to_string(BounceReason reason);  // "user-unknown", ...
[[nodiscard]] std::optional<BounceReason> parse_bounce_reason(std::string_view text);

// hard: this address does not take mail, and will not.
enum class BounceClass : std::uint8_t { soft = 0, hard = 1 };
[[nodiscard]] std::string_view to_string(BounceClass bounce_class);
[[nodiscard]] BounceClass class_of(BounceReason reason);

}  // namespace postern::policy
