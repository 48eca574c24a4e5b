#include "proxy/policy_check.h"

#include "policy/local_part.h"

#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace postern::proxy {

namespace {

constexpr std::string_view dunno = "action=DUNNO\n\n";

// Postfix has taken the quotes off the local part, and says "a b@example.com".
Result<policy::Mailbox> read_address(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == text.npos) return policy::parse_path(fmt::format("<{}>", text), false);
  std::string written;
  policy::append_local_part(written, text.substr(0, at));
  return policy::parse_mailbox(written.append(text.substr(at)));
}

// Never taken for the null sender: a sender without a domain is known by its listener alone.
policy::Mailbox sender_of(std::string_view text) {
  if (text.empty()) return {};
  auto sender = read_address(text);
  return sender ? *std::move(sender) : policy::Mailbox{.local_part = "?", .domain = {}};
}

}  // namespace

void PolicyCheck::answer(const wire::PolicyRequest& request, std::string& out) {
  const bool decides = request.protocol_state.empty() || request.protocol_state == "RCPT";
  if (!decides || request.recipient.empty()) {
    out += dunno;
    return;
  }
  const auto recipient = read_address(request.recipient);
  if (!recipient) {
    out += "action=501 5.1.3 the address cannot be read, or has no domain\n\n";
    return;
  }
  const auto reverse_path = sender_of(request.sender);
  decide(*recipient, reverse_path,
         lookup_.streams().of_envelope(reverse_path, listener_, request.sasl_username), out);
}

void PolicyCheck::decide(const policy::Mailbox& recipient, const policy::Mailbox& reverse_path,
                         const policy::Stream& stream, std::string& out) {
  auto judgement = lookup_.judge(recipient, stream);
  if (!judgement) {
    fmt::format_to(std::back_inserter(out), "action=DEFER_IF_PERMIT 4.3.0 {}\n\n", lookup_failed);
    return;
  }
  if (judgement->verdict.allowed()) {
    out += dunno;
    return;
  }
  const auto refused = policy::refusal(judgement->verdict, {}, judgement->note, false);
  fmt::format_to(std::back_inserter(out), "action={} {} {}\n\n", refused.code,
                 refused.enhanced_status_code, refused.text);
  if (traffic_ == nullptr) return;
  policy::Passages passages{.stream = stream.name,
                            .campaign = {},
                            .sender = policy::to_string(reverse_path),
                            .time = lookup_.now(),
                            .recipients = {}};
  passages.recipients.push_back({judgement->ref, judgement->verdict.reason});
  traffic_->record(std::move(passages));
}

}  // namespace postern::proxy
