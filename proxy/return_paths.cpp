#include "proxy/return_paths.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace postern::proxy {

using policy::ReturnContexts;
using policy::Stream;

namespace {

// For reports that come when their address has just expired, and clocks that differ.
constexpr std::uint32_t days_more = 7;

ReturnContexts::Entry entry_of(const policy::ReturnTokens& tokens, policy::ReturnContext context,
                               std::uint32_t until) {
  const auto hash = tokens.hash(context);
  return {.hash = hash, .context = std::move(context), .until = until};
}

}  // namespace

ReturnRules::ReturnRules(const ReturnPathConfig& config)
    : domain_(config.domain),
      days_(static_cast<std::uint32_t>(
                std::chrono::ceil<std::chrono::days>(config.valid_for).count()) +
            days_more) {
  for (const auto& pattern : config.keep) keep_.push_back(policy::canonical_pattern(pattern));
}

bool ReturnRules::keeps(const policy::Mailbox& reverse_path) const {
  if (reverse_path.empty() || reverse_path.domain == domain_) return true;
  if (keep_.empty()) return false;
  const std::string sender = policy::canonical(reverse_path).text;
  return policy::matches_any(keep_, sender);
}

bool rewrites_reverse_path(const Stream& stream, bool authenticated) {
  const auto otherwise = authenticated ? Stream::ReturnPath::off : Stream::ReturnPath::domain;
  return stream.return_path.value_or(otherwise) == Stream::ReturnPath::domain;
}

policy::Mailbox ReturnPaths::reverse_path(const Stream& stream, const policy::Mailbox& sender,
                                          const policy::ContactRef& contact) const {
  return {.local_part = tokens->make({.kind = policy::ReturnKind::bounce,
                                      .context = context(stream, sender).hash,
                                      .contact = contact,
                                      .day = day}),
          .domain = rules->domain()};
}

std::string ReturnPaths::mailto(const Stream& stream, const policy::ContactRef& contact) const {
  const auto token = tokens->make({.kind = policy::ReturnKind::unsubscribe,
                                   .context = unsubscribe_context(stream).hash,
                                   .contact = contact,
                                   .day = day});
  return "mailto:" + token + "@" + rules->domain() + "?subject=unsubscribe";
}

ReturnContexts::Entry ReturnPaths::context(const Stream& stream,
                                           const policy::Mailbox& sender) const {
  return entry_of(*tokens, {stream.name, policy::to_string(sender)}, day + rules->days());
}

ReturnContexts::Entry ReturnPaths::unsubscribe_context(const Stream& stream) const {
  return entry_of(*tokens, {stream.name, {}}, ReturnContexts::for_ever);
}

}  // namespace postern::proxy
