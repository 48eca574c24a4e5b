// The gate's own answer to a recipient: the contact looked up, the decision made, the refusal
// worded. nullopt lets it through to the upstream.
#pragma once

#include "base/network.h"
#include "base/time.h"
#include "policy/contacts.h"
#include "policy/decision.h"
#include "policy/stream.h"
#include "proxy/wire/reply.h"

#include <memory>
#include <optional>
#include <string>

namespace postern::proxy {

// What a batch asks of a recipient; the sink and the tests have their own.
class RecipientCheck {
 public:
  virtual ~RecipientCheck() = default;
  [[nodiscard]] virtual const policy::Stream& stream_of(const policy::Mailbox& reverse_path) = 0;
  [[nodiscard]] virtual std::optional<wire::Reply> check(const policy::Mailbox& recipient,
                                                         const policy::Stream& stream,
                                                         bool utf8) = 0;
};

// One for each session; the reader and the scratch belong to the thread.
class Gatekeeper final : public RecipientCheck {
 public:
  using Clock = Time (*)();
  struct Client {
    std::string session;  // its id, for the log
    IpAddress address;
    bool may_relay = false;
  };
  Gatekeeper(Client client, policy::ContactReader& reader, policy::Findings& findings,
             std::shared_ptr<const policy::Streams> streams, Clock clock)
      : client_(std::move(client)),
        reader_(reader),
        findings_(findings),
        streams_(std::move(streams)),
        clock_(clock) {}

  const policy::Stream& stream_of(const policy::Mailbox& reverse_path) override {
    return streams_->of_sender(reverse_path);
  }
  // Who may not relay gets 554 5.7.1. Store errors are 451 4.3.0: refuse when unsure of the store
  // (DESIGN.md 9).
  std::optional<wire::Reply> check(const policy::Mailbox& recipient, const policy::Stream& stream,
                                   bool utf8) override;

 private:
  Client client_;
  policy::ContactReader& reader_;
  policy::Findings& findings_;
  std::shared_ptr<const policy::Streams> streams_;
  Clock clock_;
};

}  // namespace postern::proxy
