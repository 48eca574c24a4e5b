// The return-path listener's answer to a recipient: mail is taken for valid return addresses and
// for those of the listener itself, and for nobody else; nothing is asked of the upstream.
#pragma once

#include "base/time.h"
#include "policy/return_contexts.h"
#include "policy/return_domain.h"
#include "policy/returns.h"
#include "proxy/counts.h"
#include "proxy/gatekeeper.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace postern::proxy {

class ReturnCheck final : public RecipientCheck {
 public:
  struct Client {
    std::string session;  // its id, for the log
    bool trusted = false;
  };
  // All of them outlive it; `counts` may be null.
  ReturnCheck(Client client, const policy::ReturnDomain& domain, policy::ReturnContexts& contexts,
              const policy::Stream& stream, Time (*clock)(), const Counts* counts)
      : client_(std::move(client)),
        domain_(domain),
        contexts_(contexts),
        stream_(stream),
        clock_(clock),
        counts_(counts) {}

  // Asked once for each MAIL: whoever was named before belongs to a transaction that is over.
  const policy::Stream& stream_of(const policy::Mailbox& reverse_path) override;
  // 550 5.1.1, 554 5.7.1 for another domain, 451 4.3.0 for as long as the keys are not known.
  std::optional<wire::Reply> check(const policy::Mailbox& recipient, const policy::Stream& stream,
                                   bool utf8) override;

  // Who was named in this transaction and taken.
  // One of them is no address that everybody knows: a valid return address, or any at all of a
  // peer that is trusted with them.
  [[nodiscard]] bool is_answer() const;
  [[nodiscard]] std::vector<policy::ReturnRecipient> take_recipients() {
    return std::exchange(recipients_, {});
  }

 private:
  [[nodiscard]] wire::Reply refuse(policy::NoReturn why, const policy::Mailbox& recipient) const;

  Client client_;
  const policy::ReturnDomain& domain_;
  policy::ReturnContexts& contexts_;
  const policy::Stream& stream_;
  Time (*clock_)();
  const Counts* counts_;
  std::vector<policy::ReturnRecipient> recipients_;
};

}  // namespace postern::proxy
