// The gate's own answer to a recipient: the contact looked up, the decision made, the refusal
// worded. nullopt lets it through to the upstream. What became of the recipients of a transaction
// is told to the traffic log when it ends.
#pragma once

#include "base/network.h"
#include "base/time.h"
#include "policy/contacts.h"
#include "policy/decision.h"
#include "policy/returns.h"
#include "policy/stream.h"
#include "policy/traffic.h"
#include "proxy/counts.h"
#include "proxy/partial_deliveries.h"
#include "proxy/recipient_lookup.h"
#include "proxy/return_paths.h"
#include "proxy/wire/reply.h"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace postern::proxy {

// A verdict, and whose it is.
struct Judged {
  policy::CanonicalAddress recipient;
  policy::Passages::Passage passage;
};

// What a batch asks of a recipient; the sink and the tests have their own.
class RecipientCheck {
 public:
  virtual ~RecipientCheck() = default;
  [[nodiscard]] virtual const policy::Stream& stream_of(const policy::Mailbox& reverse_path) = 0;
  [[nodiscard]] virtual std::optional<wire::Reply> check(const policy::Mailbox& recipient,
                                                         const policy::Stream& stream,
                                                         bool utf8) = 0;
  // Whether a message of the stream may be edited: its recipients are then kept.
  [[nodiscard]] virtual bool may_edit(const policy::Stream& /*stream*/) const { return false; }
  // Whether the upstream can be asked for DATA only when the header section is known: it may
  // change the verdict, or, with several recipients, make each copy another.
  [[nodiscard]] virtual bool waits_for_header(const policy::Stream& /*stream*/,
                                              bool /*several*/) const {
    return false;
  }
  // The recipient may have got a copy of a message from `reverse_path` that comes once more: it is
  // known only when the message was taken whole.
  [[nodiscard]] virtual bool comes_again(const policy::Mailbox& /*reverse_path*/,
                                         const policy::Mailbox& /*recipient*/) const {
    return false;
  }
  // How the envelope senders of a transaction from `reverse_path` are made, and what they know a
  // recipient by. Asked only where there is a return domain (Dialogue::Rules).
  [[nodiscard]] virtual ReturnPaths return_paths(const policy::Mailbox& /*reverse_path*/) {
    return {};
  }
  [[nodiscard]] virtual std::expected<policy::ContactRef, wire::Reply> ref(
      const policy::Mailbox& /*recipient*/, const policy::Stream& /*stream*/) {
    return policy::ContactRef{};
  }
  // The verdict on the recipient that check() was asked about last, once. None where nobody keeps
  // it, or where there was none: 451, 554.
  [[nodiscard]] virtual std::optional<Judged> take_verdict() { return std::nullopt; }
  // The upstream refused a recipient of the transaction for good, which check() had let through.
  virtual void refused_upstream(const policy::CanonicalAddress& /*recipient*/,
                                const policy::Stream& /*stream*/,
                                const policy::Mailbox& /*reverse_path*/,
                                const wire::Reply& /*reply*/, bool /*at_rcpt*/) {}
  // A transaction is over: its verdicts that came true, one at least. `time` is not set.
  virtual void ended(policy::Passages /*passages*/) {}
};

// One for each session; the reader and the scratch belong to the thread, the log to all of them.
class Gatekeeper final : public RecipientCheck {
 public:
  using Clock = RecipientLookup::Clock;
  struct Client {
    std::string session;  // its id, for the log
    IpAddress address;
    bool may_relay = false;
    std::string listener{};                // that it came in by
    bool links = false;                    // marketing mail gets links of its recipients
    const ReturnRules* returns = nullptr;  // null: there is no return domain
    policy::ReturnContexts* contexts = nullptr;
    const PartialDeliveries* partial = nullptr;  // null: nobody's mail is split
    bool authenticated = false;
    std::string login{};  // who did, where that is known
  };
  Gatekeeper(Client client, policy::ContactReader& reader, policy::Findings& findings,
             std::shared_ptr<const policy::Streams> streams, Clock clock,
             policy::TrafficLog* traffic, const Counts* counts = nullptr,
             policy::Returns* returns = nullptr)
      : client_(std::move(client)),
        lookup_(client_.session, reader, findings, std::move(streams), clock, counts),
        clock_(clock),
        traffic_(traffic),
        returns_(returns) {}

  // From now on the client may relay.
  void authenticated(std::string login) {
    client_.may_relay = client_.authenticated = true;
    client_.login = std::move(login);
  }
  [[nodiscard]] const std::string& login() const { return client_.login; }

  const policy::Stream& stream_of(const policy::Mailbox& reverse_path) override {
    return lookup_.streams().of_envelope(reverse_path, client_.listener, client_.login);
  }
  bool may_edit(const policy::Stream& stream) const override;
  bool waits_for_header(const policy::Stream& stream, bool several) const override;
  bool comes_again(const policy::Mailbox& reverse_path,
                   const policy::Mailbox& recipient) const override;
  // Who may not relay gets 554 5.7.1. Store errors are 451 4.3.0: refuse when unsure of the store
  // (DESIGN.md 9).
  std::optional<wire::Reply> check(const policy::Mailbox& recipient, const policy::Stream& stream,
                                   bool utf8) override;
  ReturnPaths return_paths(const policy::Mailbox& reverse_path) override;
  std::expected<policy::ContactRef, wire::Reply> ref(const policy::Mailbox& recipient,
                                                     const policy::Stream& stream) override;
  std::optional<Judged> take_verdict() override { return std::exchange(verdict_, std::nullopt); }
  void refused_upstream(const policy::CanonicalAddress& recipient, const policy::Stream& stream,
                        const policy::Mailbox& reverse_path, const wire::Reply& reply,
                        bool at_rcpt) override;
  void ended(policy::Passages passages) override;

 private:
  Client client_;
  RecipientLookup lookup_;
  Clock clock_;
  policy::TrafficLog* traffic_;  // may be null: then no verdict is kept
  policy::Returns* returns_;     // may be null: nobody asks what the upstream says of a recipient
  std::optional<Judged> verdict_;
};

}  // namespace postern::proxy
