#include "policy/return_domain.h"

#include "base/text.h"
#include "policy/return_address.h"

#include <optional>
#include <utility>

namespace postern::policy {

namespace {

bool is_postmaster(const Mailbox& path) { return equal_nocase(path.local_part, "postmaster"); }

std::variant<ReturnRecipient, NoReturn> of_token(const Mailbox& path, std::string_view text,
                                                 const ReturnDomain& domain,
                                                 const ReturnTokens& tokens, Time now) {
  const auto token = tokens.check(text);
  if (!token) return NoReturn::unknown;
  if (expired(*token, now, domain.valid_for)) return NoReturn::expired;
  const auto kind = token->kind == ReturnKind::unsubscribe ? ReturnRecipient::Kind::unsubscribe
                                                           : ReturnRecipient::Kind::bounce;
  return ReturnRecipient{.kind = kind, .token = *token, .path = path};
}

}  // namespace

std::variant<ReturnRecipient, NoReturn> return_recipient(const Mailbox& path,
                                                         const ReturnDomain& domain,
                                                         const ReturnTokens& tokens, bool trusted,
                                                         Time now) {
  using Kind = ReturnRecipient::Kind;
  const auto named = [&](Kind kind) {
    return ReturnRecipient{.kind = kind, .token = {}, .path = path};
  };
  const bool ours = path.domain == domain.domain;
  if (is_postmaster(path) && (ours || path.domain.empty())) return named(Kind::postmaster);
  NoReturn why = NoReturn::elsewhere;
  if (ours) {
    const auto address = read_return_address(path.local_part, domain.complaints);
    why = NoReturn::unknown;
    switch (address.kind) {
      case ReturnAddress::Kind::complaints:
        return named(Kind::complaints);
      case ReturnAddress::Kind::postmaster:
        return named(Kind::postmaster);
      case ReturnAddress::Kind::token: {
        auto found = of_token(path, address.token, domain, tokens, now);
        if (const auto* no = std::get_if<NoReturn>(&found)) {
          why = *no;
          break;
        }
        return found;
      }
      case ReturnAddress::Kind::other:
        break;
    }
  }
  if (domain.any_mailbox && trusted) return named(Kind::mailbox);
  return why;
}

}  // namespace postern::policy
