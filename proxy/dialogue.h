// The client's side of SMTP as a function of values: commands in, a plan out; the upstream's
// answers in, replies out. No socket is near. RFC 5321 sections 3.3, 4.1.4 and 4.3; RFC 2920;
// DESIGN.md, "Whose reply is whose".
#pragma once

#include "proxy/capabilities.h"
#include "proxy/gatekeeper.h"
#include "proxy/wire/client_attributes.h"
#include "proxy/wire/command.h"
#include "proxy/wire/reply.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::proxy {

// Whom the upstream accepted, with the parameters of its RCPT.
struct Recipient {
  policy::Mailbox path;
  wire::RecipientParameters parameters;
  // Where envelope senders may be ours: what the store knows it by, and whether its RCPT tells whom
  // the sender knew, though the client's did not.
  policy::ContactRef ref{};
  bool adds_orcpt = false;
};

// What its RCPT says upstream where its copy comes from a return address. `utf8`: with SMTPUTF8.
[[nodiscard]] wire::RecipientParameters sent_parameters(const Recipient& recipient, bool utf8);

// A mail transaction: from MAIL to the end of data; dropped whole by RSET, EHLO, HELO or a MAIL
// that starts afresh.
struct Transaction {
  policy::Mailbox reverse_path;
  wire::MailParameters parameters;
  const policy::Stream* stream = nullptr;
  std::uint32_t recipients = 0;  // asked for
  std::uint32_t accepted = 0;    // by the upstream
  std::uint32_t refused = 0;     // by the gate
  bool sent = false;             // MAIL is open upstream
  bool in_chunks = false;        // of its message, which BDAT brings, one came
  std::uint64_t chunk_octets = 0;
  Capabilities needs;  // the extensions it uses: an upstream that lacks one cannot have it
  // Answers every further RCPT and DATA: the upstream refused MAIL, or was lost.
  std::optional<wire::Reply> broken;
  // What is told when it is over (RecipientCheck::ended): whom the gate refused, and whom the
  // upstream accepted. `asked`: whom it has yet to answer for, in order.
  std::vector<Judged> told;
  std::vector<Judged> asked;
  // The same for whoever makes the copies, where they may differ.
  std::vector<Recipient> recipients_told;
  std::vector<Recipient> recipients_asked;
  // Where there is a return domain, and the sender is not <>.
  std::optional<ReturnPaths> returns;
  bool comes_again = false;       // somebody may have got the message already
  policy::ContactRef mail_ref{};  // of the recipient whose return address MAIL carries upstream
  wire::ClientAttributes forwarded{};  // who the client is, as the one in front said (XFORWARD)
};

// What a batch of commands comes to before the upstream has spoken.
struct Plan {
  enum class Asked : std::uint8_t { rcpt, data };
  struct Forward {
    Asked what = Asked::rcpt;
    std::size_t reply = 0;  // which of `replies` it fills in
    std::size_t end = 0;    // of its octets in `octets`
  };
  std::vector<wire::Reply>
      replies;                    // one for each command; code 0 where the upstream has to say it
  std::size_t reply_octets = 0;   // of those that are ours
  std::vector<Forward> forwards;  // what goes upstream, in order
  std::string octets;             // their command lines; MAIL is in front of them, up to `mail_end`
  std::size_t mail_end = 0;       // 0: MAIL is not among them: it is open upstream already
  bool asks_data = false;  // its last command is DATA: whatever waits behind it is no command
  // Its last command is BDAT: so many octets behind it are of the message. Its reply is the last of
  // `replies` until it is settled, and then none of them.
  struct Chunk {
    std::uint64_t octets = 0;
    bool last = false;
  };
  std::optional<Chunk> chunk{};
  // The reply to DATA (or BDAT) is ours: what the upstream is sent hangs on the header section.
  std::optional<std::size_t> own_data;
  bool abandons = false;  // a transaction that may be open upstream is over: RSET before the next
  bool ends_session = false;  // QUIT, or too many errors: replies, then close
  // Its last command: once its replies are out, TLS begins; or the exchange of AUTH, which has no
  // reply among them.
  bool starts_tls = false;
  std::optional<wire::Command> auth{};
  // Goes upstream in front of MAIL, where it is taken there.
  wire::ClientAttributes forwarded{};
};

// What came back for a plan's `octets`.
struct Answers {
  std::optional<wire::Reply> mail;     // the reply to MAIL, where it was sent and answered
  std::vector<wire::Reply> replies;    // to `forwards`, in order; fewer where the upstream failed
  std::optional<wire::Reply> failure;  // answers the rest: 451 4.4.1 or 4.4.2
  std::string why;                     // of a failure, for the log
  bool gone = false;                   // the connection is closed, or its replies make no sense
};

// What an upstream would say, said here: yes to everything.
[[nodiscard]] Answers accept_all(const Plan& plan);

class Dialogue {
 public:
  struct Rules {
    std::string hostname;
    std::uint32_t max_recipients = 1'000;
    std::uint32_t max_errors = 20;
    bool return_domain = false;  // envelope senders may become addresses of ours
    std::uint64_t max_size = 0;  // octets of a message; 0: what the upstream says
    bool starttls = false;       // is offered while there is no TLS
    bool auth = false;           // clients may authenticate: under TLS, or with `auth_in_clear`
    bool auth_in_clear = false;
    bool must_authenticate = false;  // who does not may not relay
    bool chunking = false;           // BDAT is offered
    bool xforward = false;           // its word on who the client is counts
    // Asked at each MAIL that is fit, and counts it; empty: there is no rate to keep to.
    std::function<bool()> may_send{};
  };
  // `check` outlives the dialogue.
  Dialogue(Rules rules, RecipientCheck& check) : rules_(std::move(rules)), check_(check) {}

  [[nodiscard]] wire::Reply greeting() const;

  // Takes as many whole commands of `input` as can be decided together and removes them from it:
  // all of them, or up to DATA or QUIT, up to a bounded number of replies, or up to one whose
  // answer hangs on what the upstream says to those before. `offered` is what our EHLO says. No
  // replies: input held no whole line, or only that of a chunk that is refused.
  [[nodiscard]] Plan take(std::string_view& input, const Capabilities& offered);

  struct Settled {
    bool go_ahead = false;       // the client's data follows, or its chunk
    bool data_held = false;      // and the upstream was not asked for it yet
    bool drop_upstream = false;  // what it said cannot be trusted: its connection is not used again
  };
  // Fills in the replies that were left to the upstream. The only place that knows whose reply is
  // whose.
  [[nodiscard]] Settled settle(Plan& plan, Answers answers);

  // The transaction is over, if there is one: the message was relayed or given up, or the client is
  // gone.
  struct Ending {
    bool delivered = false;  // the upstream took it
    std::string campaign{};
    const policy::Stream* stream = nullptr;          // the message's own; null: the envelope's
    std::vector<policy::CanonicalAddress> missed{};  // accepted, and refused for good later
    std::vector<Judged> refused{};                   // by the gate, once it saw the header section
  };
  void end_transaction(Ending ending);
  void end_transaction() { end_transaction(Ending{}); }

  // TLS is on: what was said before it counts no more (RFC 3207 section 4.2).
  void secured();
  // The client authenticated (RFC 4954 section 4): the transactions to come are theirs.
  void authenticated() { authenticated_ = true; }

  [[nodiscard]] const std::optional<Transaction>& transaction() const { return transaction_; }
  [[nodiscard]] const std::string& hostname() const { return rules_.hostname; }
  [[nodiscard]] const std::string& helo() const { return helo_; }
  [[nodiscard]] bool extended() const { return extended_; }
  // RFC 4954 section 4: a password in clear only where nobody can listen.
  [[nodiscard]] bool may_authenticate() const {
    return rules_.auth && (secure_ || rules_.auth_in_clear);
  }
  [[nodiscard]] bool is_authenticated() const { return authenticated_; }
  // What comes next are octets of a chunk that was refused.
  [[nodiscard]] bool drops_chunk() const { return chunk_refusal_.has_value(); }

 private:
  [[nodiscard]] bool depends_on_pending(const wire::Command& command, const Plan& plan) const;
  // Each gives the reply, or nullopt where the upstream has to say it.
  [[nodiscard]] std::optional<wire::Reply> answer(const wire::Command& command, Plan& plan,
                                                  const Capabilities& offered);
  [[nodiscard]] wire::Reply hello(const wire::Command& command, Plan& plan,
                                  const Capabilities& offered);
  [[nodiscard]] wire::Reply mail(const wire::Command& command, Plan& plan);
  [[nodiscard]] std::optional<wire::Reply> unfit_mail(const wire::Command& command) const;
  [[nodiscard]] wire::Reply starttls(Plan& plan);
  [[nodiscard]] std::optional<wire::Reply> auth(const wire::Command& command, Plan& plan) const;
  [[nodiscard]] wire::Reply xforward(const wire::Command& command);
  [[nodiscard]] std::optional<wire::Reply> rcpt(const wire::Command& command, Plan& plan,
                                                const Capabilities& offered);
  [[nodiscard]] std::expected<Recipient, wire::Reply> recipient_of(const wire::Command& command,
                                                                   const Capabilities& offered);
  [[nodiscard]] std::optional<wire::Reply> data(Plan& plan);
  [[nodiscard]] std::optional<wire::Reply> ask_for_data(Plan& plan);
  [[nodiscard]] bool may_come_again(const Transaction& transaction) const;
  // Of BDAT (dialogue_chunks.cpp).
  [[nodiscard]] std::optional<wire::Reply> bdat(const wire::Command& command, Plan& plan);
  [[nodiscard]] std::optional<wire::Reply> unfit_chunk(const wire::Command& command,
                                                       Plan& plan) const;
  [[nodiscard]] static wire::Reply unreadable_chunk();
  void refuse_chunk(std::uint64_t octets, wire::Reply reply);
  [[nodiscard]] bool drop_chunk(std::string_view& input, Plan& plan);
  void settle_chunk(Plan& plan, Settled& settled);
  void forward_mail(Plan& plan, const policy::ContactRef& ref);
  void forward_rcpt(Plan& plan, const policy::Mailbox& path,
                    const wire::RecipientParameters& parameters);
  void settle_own_data(Plan& plan, Settled& settled) const;
  void abandon(Plan& plan);
  [[nodiscard]] wire::Reply no_command(Plan& plan, std::string_view text);
  void add(Plan& plan, std::optional<wire::Reply> reply);
  [[nodiscard]] bool drop_line(std::string_view& input, Plan& plan);

  Rules rules_;
  RecipientCheck& check_;
  std::string helo_;
  bool extended_ = false;
  bool secure_ = false;
  bool authenticated_ = false;
  wire::ClientAttributes forwarded_;  // of the transaction that is to begin
  std::uint32_t errors_ = 0;
  Capabilities told_;          // what our last reply to EHLO offered: the client may count on it
  bool size_is_ours_ = false;  // of that, SIZE is no word of the upstream's
  bool after_refused_data_ =
      false;  // a client that did not wait for the 354 would send its message now
  // Announced by BDAT, which is refused: never read as commands. Its reply comes behind them.
  std::uint64_t octets_to_drop_ = 0;
  std::optional<wire::Reply> chunk_refusal_;
  bool dropping_line_ = false;  // the rest of an over-long line is still to come
  std::optional<Transaction> transaction_;
};

}  // namespace postern::proxy
