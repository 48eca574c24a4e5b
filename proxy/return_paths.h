// Envelope senders that bring the bounce home (DESIGN.md 6 and 8): whether a transaction's
// reverse-path goes upstream as an address of ours, and which. Functions of values.
#pragma once

#include "base/config.h"
#include "policy/address.h"
#include "policy/decision.h"
#include "policy/return_contexts.h"
#include "policy/return_token.h"
#include "policy/stream.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace postern::proxy {

// Of the configuration; immutable.
class ReturnRules {
 public:
  // One with a domain.
  explicit ReturnRules(const ReturnPathConfig& config);

  [[nodiscard]] const std::string& domain() const { return domain_; }
  // How many days after its making a context is wanted: longer than any token is good for.
  [[nodiscard]] std::uint32_t days() const { return days_; }
  // The sender is to stay, whatever its stream says: null, listed in `keep`, or one of ours
  // already.
  [[nodiscard]] bool keeps(const policy::Mailbox& reverse_path) const;

 private:
  std::string domain_;
  std::vector<std::string> keep_;
  std::uint32_t days_ = 0;
};

// Whether mail of the stream is sent from an address of ours. Providers refuse envelope senders
// that are not the account's: mail of a session that authenticated is, where its stream says so
// itself, and no other.
[[nodiscard]] bool rewrites_reverse_path(const policy::Stream& stream, bool authenticated);

// Of one transaction: fixed where it begins, so that neither midnight nor a new key changes an
// address that was sent already.
struct ReturnPaths {
  const ReturnRules* rules = nullptr;                       // outlives it
  std::shared_ptr<const policy::ReturnTokens> tokens = {};  // null: not known now
  std::uint32_t day = 0;                                    // since 1970, UTC
  bool kept = false;                                        // the sender stays
  bool authenticated = false;                               // the session did

  [[nodiscard]] bool rewrites(const policy::Stream& stream) const {
    return !kept && rewrites_reverse_path(stream, authenticated);
  }
  // `sender`: the client's reverse-path.
  [[nodiscard]] policy::Mailbox reverse_path(const policy::Stream& stream,
                                             const policy::Mailbox& sender,
                                             const policy::ContactRef& contact) const;
  // "mailto:TOKEN@domain?subject=unsubscribe".
  [[nodiscard]] std::string mailto(const policy::Stream& stream,
                                   const policy::ContactRef& contact) const;
  // What has to be on record before the one or the other leaves.
  [[nodiscard]] policy::ReturnContexts::Entry context(const policy::Stream& stream,
                                                      const policy::Mailbox& sender) const;
  [[nodiscard]] policy::ReturnContexts::Entry unsubscribe_context(
      const policy::Stream& stream) const;
};

}  // namespace postern::proxy
