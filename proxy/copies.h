// One copy for each recipient of a held message, over a few upstream connections at once (DESIGN.md
// 6): whatever the ledger says the upstream took already is not sent again; what it takes now is
// noted at once; recipients that it refuses now, while others got theirs, are reported by mail.
#pragma once

#include "base/time.h"
#include "policy/ledger.h"
#include "proxy/copy_plan.h"
#include "proxy/held_message.h"
#include "proxy/late_report.h"
#include "proxy/pool.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
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
    const wire::ClientFacts* client;  // whom the upstream is told of
    policy::Ledger* ledger;           // null: a retry sends every copy again
    Time (*clock)();
    std::span<char> buffer;  // the thread's
    std::uint32_t connections = 4;
    std::string_view hostname;
    std::string_view id;  // of the session, for the log and the report
    Time arrived{};
    const Counts* counts = nullptr;                 // may be null
    std::chrono::steady_clock::time_point until{};  // no further copy is begun then
  };
  // All of them outlive it. `digest`: of the message as the client sent it.
  Copies(Context context, const Transaction& transaction, const CopyPlan& plan,
         const HeldMessage& body, const std::array<std::uint8_t, 32>& digest);

  struct Outcome {
    wire::Reply reply;                             // to the client's final dot
    std::vector<policy::CanonicalAddress> missed;  // who did not get it
    struct Refused {
      policy::CanonicalAddress recipient;
      wire::Reply reply;
      bool at_rcpt = true;
    };
    std::vector<Refused> refused;            // of them, by the upstream and for good
    std::vector<policy::CopyKey> on_record;  // of this message, where the reply is 250
    std::uint32_t sent = 0;
    std::uint32_t sent_before = 0;  // by the ledger
  };
  // The client's patience is not watched: `until` ends it.
  [[nodiscard]] boost::asio::awaitable<Outcome> deliver();

 private:
  enum class State : std::uint8_t { waiting, taken, refused, deferred };
  struct Copy {
    std::size_t recipient = 0;
    State state = State::waiting;
    bool by_upstream = false;  // that refused it
    bool at_rcpt = false;
    wire::Reply reply;
    policy::CopyKey key;
  };
  struct Progress;

  // The reply for all of them, where nothing is to be sent.
  [[nodiscard]] boost::asio::awaitable<std::optional<wire::Reply>> prepare();
  [[nodiscard]] boost::asio::awaitable<void> send_all();
  [[nodiscard]] boost::asio::awaitable<void> settled();
  [[nodiscard]] boost::asio::awaitable<void> work();
  [[nodiscard]] Copy* next_copy();
  [[nodiscard]] boost::asio::awaitable<bool> connect(Lease& lease, bool fresh);
  // False where the upstream did not answer.
  [[nodiscard]] boost::asio::awaitable<bool> send(Lease& lease, Copy& copy);
  // What goes upstream as one message: `front`, so many octets of the held one, `end`.
  struct Octets {
    std::string_view front;
    std::uint64_t body = 0;
    std::string_view end{};
  };
  struct Answer {
    wire::Reply reply;  // 451 where it gave none
    bool answered = false;
    bool to_recipient = false;  // it is the reply to RCPT
    bool to_end = false;        // or to the message's end
  };
  [[nodiscard]] boost::asio::awaitable<Answer> transact(Lease& lease, const Plan& plan,
                                                        Octets octets);
  [[nodiscard]] boost::asio::awaitable<Result<void>> send_octets(Lease& lease, Octets octets);
  [[nodiscard]] boost::asio::awaitable<Answers> ask(Lease& lease, const Plan& plan);
  [[nodiscard]] Plan plan_of(const policy::Mailbox& reverse_path,
                             const wire::MailParameters& parameters,
                             const Recipient& recipient) const;
  enum class Report : std::uint8_t { not_wanted, sent, failed };
  [[nodiscard]] boost::asio::awaitable<Report> report_refused();
  [[nodiscard]] boost::asio::awaitable<Answer> send_report(std::span<const LateRefusal> refused);
  void note(std::vector<policy::CopyKey> copies, Time until);
  [[nodiscard]] Outcome outcome(Report report) const;
  [[nodiscard]] std::vector<policy::CopyKey> keys() const;
  [[nodiscard]] std::size_t count(State state) const;

  Context context_;
  const Transaction& transaction_;
  const CopyPlan& plan_;
  const HeldMessage& body_;
  std::vector<Copy> copies_;
  std::size_t next_ = 0;
  std::uint32_t sent_before_ = 0;
  std::shared_ptr<Progress> progress_;
};

}  // namespace postern::proxy
