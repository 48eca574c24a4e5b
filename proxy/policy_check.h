// The gate's answer to a request of Postfix's policy protocol: the same decision as at RCPT, in the
// words of Postfix's access(5). No socket is here.
#pragma once

#include "policy/traffic.h"
#include "proxy/recipient_lookup.h"
#include "proxy/wire/policy_request.h"

#include <string>
#include <utility>

namespace postern::proxy {

class PolicyCheck {
 public:
  // `traffic` may be null; `listener` is the one's name that the requests come in by.
  PolicyCheck(RecipientLookup lookup, std::string listener, policy::TrafficLog* traffic)
      : lookup_(std::move(lookup)), listener_(std::move(listener)), traffic_(traffic) {}

  // Appends the answer, "action=...\n\n". At RCPT (and where the request does not say) it decides:
  // DUNNO; the refusal without the address, which Postfix puts in front itself; 501 for an address
  // that cannot be read, as the gate answers it at RCPT; DEFER_IF_PERMIT where the store cannot
  // answer. DUNNO at any other stage, and without a recipient.
  void answer(const wire::PolicyRequest& request, std::string& out);

 private:
  void decide(const policy::Mailbox& recipient, const policy::Mailbox& reverse_path,
              const policy::Stream& stream, std::string& out);

  RecipientLookup lookup_;
  std::string listener_;
  policy::TrafficLog* traffic_;
};

}  // namespace postern::proxy
