#include "policy/bounce.h"

#include <algorithm>
#include <array>

namespace postern::policy {
namespace {

using namespace std::string_view_literals;

constexpr std::array<std::string_view, return_types> type_names{
    "unknown"sv,   "bounce"sv,     "delayed"sv,    "delivered"sv,
    "complaint"sv, "auto-reply"sv, "unsubscribe"sv};

constexpr std::array<std::string_view, bounce_reasons> reason_names{
    "undefined",  "user-unknown", "domain-unknown",    "moved",      "not-accepting",
    "disabled",   "mailbox-full", "message-too-large", "content",    "spam",
    "virus",      "policy",       "authentication",    "reputation", "rate-limited",
    "greylisted", "relay-denied", "expired",           "network",    "tls",
    "system",     "system-full",  "protocol",          "loop",       "suppressed"};

}  // namespace

std::string_view to_string(ReturnType type) { return type_names[static_cast<std::size_t>(type)]; }

std::optional<ReturnType> parse_return_type(std::string_view text) {
  const auto name = std::ranges::find(type_names, text);
  if (name == type_names.end()) return std::nullopt;
  return static_cast<ReturnType>(name - type_names.begin());
}

std::string_view to_string(BounceReason reason) {
  return reason_names[static_cast<std::size_t>(reason)];
}

std::optional<BounceReason> parse_bounce_reason(std::string_view text) {
  const auto name = std::ranges::find(reason_names, text);
  if (name == reason_names.end()) return std::nullopt;
  return static_cast<BounceReason>(name - reason_names.begin());
}

std::string_view to_string(BounceClass bounce_class) {
  return bounce_class == BounceClass::hard ? "hard" : "soft";
}

BounceClass class_of(BounceReason reason) {
  switch (reason) {
    case BounceReason::user_unknown:
    case BounceReason::domain_unknown:
    case BounceReason::moved:
    case BounceReason::not_accepting:
      return BounceClass::hard;
    default:
      return BounceClass::soft;
  }
}

}  // namespace postern::policy
