// What the return domain's local parts are: whom a forward-path at the return-path listener names,
// if anybody. Pure: tokens and time are passed in.
#pragma once

#include "base/time.h"
#include "policy/address.h"
#include "policy/return_token.h"
#include "policy/returns.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>

namespace postern::policy {

struct ReturnDomain {
  std::string domain;      // A-labels, lower case
  std::string complaints;  // local part, lower case; empty: none
  std::chrono::milliseconds valid_for{std::chrono::days{30}};
  bool any_mailbox = false;  // [return_path] mailbox_evidence
};

// Why a forward-path is not taken.
enum class NoReturn : std::uint8_t {
  elsewhere,  // another domain: nobody relays here
  unknown,    // no token, or a forged one
  expired,
};

// `trusted`: the client is a peer of the listener's `trusted`. A damaged return address is read as
// what it was (return_address.h). Of `postmaster` both forms of RFC 5321 section 4.5.1 are taken.
[[nodiscard]] std::variant<ReturnRecipient, NoReturn> return_recipient(const Mailbox& path,
                                                                       const ReturnDomain& domain,
                                                                       const ReturnTokens& tokens,
                                                                       bool trusted, Time now);

}  // namespace postern::policy
