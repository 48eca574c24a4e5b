// Addresses: parsed once, at every door, by one function; written anew from what was parsed; and
// found by a canonical form, so that a mailbox is one contact however it is spelled. RFC 5321
// section 4.1.2, RFC 6531.
#pragma once

#include "base/config.h"
#include "base/result.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postern::policy {

// RFC 5321 section 4.5.3.1 gives minima; VERP and BATV local parts are longer in the field.
inline constexpr std::size_t max_local_part = 256;  // octets, unquoted
inline constexpr std::size_t max_domain = 255;      // octets, as A-labels

// A mailbox as the protocol means it, spelling aside.
struct Mailbox {
  std::string local_part;  // unquoted and unescaped, case as written, NFC
  std::string domain;  // lower case, A-labels, no final dot; or an address literal "[192.0.2.1]",
                       // "[ipv6:...]"
  [[nodiscard]] bool empty() const { return domain.empty() && local_part.empty(); }
  // The local part needs SMTPUTF8 upstream (the domain never does: A-labels).
  [[nodiscard]] bool needs_smtputf8() const;
  friend bool operator==(const Mailbox&, const Mailbox&) = default;
};

// Mailbox = local-part "@" (domain / address-literal). Errc::invalid says what is wrong, without
// quoting more than 100 characters of the input. The whole text is the address: no angle brackets,
// no display name.
[[nodiscard]] Result<Mailbox> parse_mailbox(std::string_view text);

// What nearly every address is, in one pass: a Dot-string of ASCII at a domain of ASCII labels.
// False where it is anything else, or wrong: `mailbox` says nothing then.
[[nodiscard]] bool read_plain_mailbox(std::string_view text, Mailbox& mailbox);

// A path with its brackets, "<@a,@b:x@y>" (the source route is dropped, RFC 5321 section 4.1.1.3),
// or "<>" as the empty mailbox where `null_allowed`. "<postmaster>" is the one mailbox without a
// domain (section 4.1.1.3).
[[nodiscard]] Result<Mailbox> parse_path(std::string_view text, bool null_allowed);

// "local@domain", quoted where the local part needs it; what goes upstream and what people read. No
// brackets.
[[nodiscard]] std::string to_string(const Mailbox& mailbox);
void append(std::string& out, const Mailbox& mailbox);

// The identity of a contact: NFC, case-folded local part, A-label domain; or, for the operator's
// domain-wide holds, "@domain" and "@.domain" (its subdomains); or a digest.
struct CanonicalAddress {
  std::string text;
  [[nodiscard]] bool is_domain() const { return !text.empty() && text.front() == '@'; }
  // An entry of a hash list: 32, 40 or 64 hex digits, lower case, of the MD5, SHA-1 or SHA-256 of
  // an address that we do not know.
  [[nodiscard]] bool is_digest() const { return !text.empty() && !text.contains('@'); }
  friend auto operator<=>(const CanonicalAddress&, const CanonicalAddress&) = default;
};

// Bumped whenever canonical() gives another result for any input: the store names the version it
// was keyed with.
inline constexpr int canonical_version = 1;

[[nodiscard]] CanonicalAddress canonical(const Mailbox& mailbox);
// `@domain` or `@.domain`; Errc::invalid otherwise.
[[nodiscard]] Result<CanonicalAddress> parse_domain_pattern(std::string_view text);
// What a person types or a file holds: a mailbox with its domain, as a path with brackets or source
// route too, or where `domains_allowed` a domain pattern. The one function for command line, import
// and every later door; surrounding blanks are ignored.
[[nodiscard]] Result<CanonicalAddress> parse_contact(std::string_view text, bool domains_allowed);
// The same of a mailbox, for who needs it as it was written too.
[[nodiscard]] Result<Mailbox> parse_contact_mailbox(std::string_view text);

using Provider = ProviderConfig;
[[nodiscard]] const std::vector<Provider>& builtin_providers();

// The spelling under which all of a provider's spellings meet; empty where no rule applies to the
// domain.
[[nodiscard]] std::string folded(const CanonicalAddress& address,
                                 const std::vector<Provider>& providers);

// Without "+tag"; empty where there is none. A leading "+" is no delimiter; "+" in a domain pattern
// neither.
[[nodiscard]] std::string without_subaddress(const CanonicalAddress& address);

// Every canonical text under which a state may stand that covers `address`, most specific first.
struct LookupForms {
  std::vector<CanonicalAddress> exact;  // itself, without its subaddress
  std::vector<CanonicalAddress>
      folded;  // the same by the provider's rule; none where no rule applies
  std::vector<CanonicalAddress>
      domains;  // @domain, @.parent, ... (never for address literals: only @[literal])
};
[[nodiscard]] LookupForms lookup_forms(const CanonicalAddress& address,
                                       const std::vector<Provider>& providers);

}  // namespace postern::policy
