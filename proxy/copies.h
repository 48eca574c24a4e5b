// One copy for each recipient of a held message, over a few upstream connections at once (DESIGN.md
// 6): whatever the ledger says the upstream took already is not sent again; what it takes now is
// noted at once; recipients that it refuses now, while others got theirs, are reported by mail.
#pragma once

#include "base/time.h"
#include "policy/ledger.h"
#include "proxy/delivery_plan.h"
#include "proxy/held_message.h"
#include "proxy/late_report.h"
#include "proxy/pool.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace postern::proxy {

class Copies {
 public:
  struct Context {
    Pool& pool;
    policy::Ledger* ledger;  // null: a retry sends every copy again
    Time (*clock)();
    std::span<char> buffer;  // the thread's
    std::uint32_t connections = 4;
    std::string_view hostname;
    std::string_view id;  // of the session, for the log and the report
    Time arrived{};
    const Counts* counts = nullptr;  // may be null
  };
  // All of them outlive it. `digest`: of the message as the client sent it.
  Copies(Context context, const Transaction& transaction, const DeliveryPlan& plan,
         const HeldMessage& body, const std::array<std::uint8_t, 32>& digest);

  struct Outcome {
    wire::Reply reply;                             // to the client's final dot
    std::vector<policy::CanonicalAddress> missed;  // whom the upstream refused
    std::vector<policy::CopyKey> on_record;        // of this message, where the reply is 250
    std::uint32_t sent = 0;
    std::uint32_t sent_before = 0;  // by the ledger
  };
  // `first`: a connection that the session has already, or none.
  [[nodiscard]] boost::asio::awaitable<Outcome> deliver(Lease first);

 private:
  enum class State : std::uint8_t { waiting, taken, refused, deferred };
  struct Copy {
    std::size_t recipient = 0;
    State state = State::waiting;
    wire::Reply reply;
    policy::CopyKey key;
  };
  struct Progress;

  [[nodiscard]] bool read_ledger();
  [[nodiscard]] boost::asio::awaitable<void> work(Lease lease);
  [[nodiscard]] boost::asio::awaitable<bool> connect(Lease& lease, bool fresh);
  [[nodiscard]] boost::asio::awaitable<void> send(Lease& lease, Copy& copy);
  // The upstream's answer to one message; 451 where it gave none.
  [[nodiscard]] boost::asio::awaitable<wire::Reply> transact(Lease& lease, const Plan& plan,
                                                             std::string_view front,
                                                             const HeldMessage* body);
  [[nodiscard]] boost::asio::awaitable<Answers> ask(Lease& lease, const Plan& plan);
  [[nodiscard]] Plan plan_of(const policy::Mailbox& reverse_path,
                             const wire::MailParameters& parameters,
                             const Recipient& recipient) const;
  [[nodiscard]] boost::asio::awaitable<bool> report_refused(Lease lease);
  void note(std::vector<policy::CopyKey> copies);
  [[nodiscard]] Outcome outcome(bool reported) const;
  [[nodiscard]] std::size_t count(State state) const;

  Context context_;
  const Transaction& transaction_;
  const DeliveryPlan& plan_;
  const HeldMessage& body_;
  std::vector<Copy> copies_;
  std::size_t next_ = 0;
  std::uint32_t sent_before_ = 0;
  Lease spare_;  // for the report
  std::shared_ptr<Progress> progress_;
};

}  // namespace postern::proxy
