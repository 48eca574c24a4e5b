#include "policy/address.h"

#include "base/text.h"
#include "policy/domain.h"
#include "policy/local_part.h"
#include "policy/unicode.h"

#include <algorithm>
#include <utility>

namespace postern::policy {

namespace {

// A whole path with its source route, before anything is cut from it.
constexpr std::size_t max_path_text = 4096;

std::unexpected<Error> no_address(std::string_view text, std::string_view why) {
  return fail(Errc::invalid, "\"" + printable(text, 100) + "\" is no address: " + std::string(why));
}

// What both doors ask of any text before they look for its parts.
std::string_view unfit(std::string_view text) {
  if (text.size() > max_path_text) return "it is far too long";
  return unfit_for_address(text);
}

Parsed<Mailbox> mailbox_of(std::string_view text) {
  auto local_part = read_local_part(text);
  if (!local_part) return std::unexpected(local_part.error());
  text.remove_prefix(local_part->consumed);
  if (!text.starts_with('@')) return std::unexpected("it has no @ after the local part");
  auto domain = parse_domain(text.substr(1));
  if (!domain) return std::unexpected(domain.error());
  return Mailbox{.local_part = std::move(local_part->text), .domain = std::move(*domain)};
}

// The end of the domain in front of `text`, in a source route; a literal may hold colons.
std::size_t end_of_route_domain(std::string_view text) {
  const auto literal = text.starts_with('[') ? text.find(']') : 0;
  return std::min(text.find_first_of(",:", std::min(literal, text.size())), text.size());
}

// RFC 5321 section 4.1.2: A-d-l ":" in front of a mailbox, checked and dropped.
Parsed<std::string_view> without_source_route(std::string_view text) {
  if (!text.starts_with('@')) return text;
  while (text.starts_with('@')) {
    text.remove_prefix(1);
    const auto end = end_of_route_domain(text);
    if (const auto domain = parse_domain(text.substr(0, end)); !domain) {
      return std::unexpected(domain.error());
    }
    text.remove_prefix(end);
    if (text.starts_with(':')) return text.substr(1);
    if (text.starts_with(',')) text.remove_prefix(1);
  }
  return std::unexpected("its source route does not end in a colon");
}

Parsed<Mailbox> routed_mailbox_of(std::string_view text) {
  const auto mailbox = without_source_route(text);
  if (!mailbox) return std::unexpected(mailbox.error());
  return mailbox_of(*mailbox);
}

// The mailbox of a path that has one: null paths are the caller's.
Parsed<Mailbox> mailbox_of_path(std::string_view path) {
  if (path.size() < 2 || path.front() != '<' || path.back() != '>') {
    return std::unexpected("it has no angle brackets around it");
  }
  const auto content = path.substr(1, path.size() - 2);
  if (equal_nocase(content, "postmaster")) {
    return Mailbox{.local_part = std::string(content), .domain = {}};
  }
  return routed_mailbox_of(content);
}

// A second "@" tells a source route from a domain.
bool is_domain_pattern(std::string_view text) {
  return text.starts_with('@') && text.find('@', 1) == text.npos;
}

}  // namespace

bool Mailbox::needs_smtputf8() const { return !is_ascii(local_part); }

Result<Mailbox> parse_mailbox(std::string_view text) {
  if (const auto why = unfit(text); !why.empty()) return no_address(text, why);
  auto mailbox = mailbox_of(text);
  if (!mailbox) return no_address(text, mailbox.error());
  return std::move(*mailbox);
}

bool read_plain_mailbox(std::string_view text, Mailbox& mailbox) {
  const std::size_t at = plain_local_part(text);
  if (at == 0 || at == text.size() || text[at] != '@') return false;
  if (!plain_domain(text.substr(at + 1), mailbox.domain)) return false;
  mailbox.local_part = text.substr(0, at);
  return true;
}

Result<Mailbox> parse_path(std::string_view text, bool null_allowed) {
  if (const auto why = unfit(text); !why.empty()) return no_address(text, why);
  if (text == "<>") {
    if (null_allowed) return Mailbox{};
    return no_address(text, "the null path is nobody's");
  }
  auto mailbox = mailbox_of_path(text);
  if (!mailbox) return no_address(text, mailbox.error());
  return std::move(*mailbox);
}

void append(std::string& out, const Mailbox& mailbox) {
  if (mailbox.domain.empty()) {
    out += mailbox.local_part;
    return;
  }
  append_local_part(out, mailbox.local_part);
  out += '@';
  out += mailbox.domain;
}

std::string to_string(const Mailbox& mailbox) {
  std::string text;
  text.reserve(mailbox.local_part.size() + 3 + mailbox.domain.size());
  append(text, mailbox);
  return text;
}

Result<CanonicalAddress> parse_domain_pattern(std::string_view text) {
  if (const auto why = unfit(text); !why.empty()) return no_address(text, why);
  if (!text.starts_with('@')) return no_address(text, "a domain is written @DOMAIN or @.DOMAIN");
  const std::string_view prefix = text.starts_with("@.") ? "@." : "@";
  const auto domain = parse_domain(text.substr(prefix.size()));
  if (!domain) return no_address(text, domain.error());
  if (prefix == "@." && domain->starts_with('[')) {
    return no_address(text, "an address literal has no subdomains");
  }
  return CanonicalAddress{std::string(prefix) + *domain};
}

Result<CanonicalAddress> parse_contact(std::string_view text, bool domains_allowed) {
  text = trim(text);
  if (domains_allowed && is_domain_pattern(text)) return parse_domain_pattern(text);
  const auto mailbox = parse_contact_mailbox(text);
  if (!mailbox) return std::unexpected(mailbox.error());
  if (mailbox->domain.empty()) return no_address(text, "it has no domain");
  return canonical(*mailbox);
}

Result<Mailbox> parse_contact_mailbox(std::string_view text) {
  text = trim(text);
  if (Mailbox plain; read_plain_mailbox(text, plain)) return plain;
  if (const auto why = unfit(text); !why.empty()) return no_address(text, why);
  if (is_domain_pattern(text)) return no_address(text, "a whole domain is not meant here");
  auto mailbox = text.starts_with('<') ? mailbox_of_path(text) : routed_mailbox_of(text);
  if (!mailbox) return no_address(text, mailbox.error());
  return std::move(*mailbox);
}

}  // namespace postern::policy
