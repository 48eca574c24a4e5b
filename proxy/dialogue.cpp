#include "proxy/dialogue.h"

#include "proxy/wire/auth.h"
#include "proxy/wire/orcpt.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace postern::proxy {

namespace {

using wire::make_reply;
using wire::Reply;
using wire::Verb;

// A reply that may be passed on as the upstream's answer to a command. 421 is about its connection,
// not about the recipient; 530 asks for an AUTH that nobody here can give (DESIGN.md, "Whose reply
// is whose").
bool is_refusal(const Reply& reply) {
  return (reply.transient() || reply.permanent()) && reply.code != 421 && reply.code != 530;
}

Reply nonsense() {
  return make_reply(451, "4.4.2", "the upstream server gave no usable answer, try again later");
}
Reply no_recipients() { return make_reply(554, "5.5.1", "no valid recipients"); }

// The client's doing, and a reason to stop listening to it when it goes on.
bool is_client_error(const Reply& reply) {
  return (reply.code >= 500 && reply.code <= 504) || reply.code == 555;
}

// The upstream accepted the recipient that a plan asks for in that place: DATA comes behind them
// all.
void accept(Transaction& transaction, std::size_t place) {
  ++transaction.accepted;
  if (place < transaction.asked.size()) {
    transaction.told.push_back(std::move(transaction.asked[place]));
  }
  if (place < transaction.recipients_asked.size()) {
    transaction.recipients_told.push_back(std::move(transaction.recipients_asked[place]));
  }
}

bool rewrites(const Transaction& transaction) {
  return transaction.returns && transaction.returns->rewrites(*transaction.stream);
}

// MAIL goes upstream with another's return address than that of the only recipient there can be.
bool carries_anothers(const Transaction& transaction) {
  const auto& candidates =
      transaction.accepted > 0 ? transaction.recipients_told : transaction.recipients_asked;
  return candidates.front().ref != transaction.mail_ref;
}

constexpr std::string_view no_authentication =
    "authentication is not possible right now, try again later";

bool is_allowed(const Judged& judged) { return judged.passage.reason == policy::Reason::none; }

// Of one plan: the rest waits for the next, so that a client that does not read its replies costs
// little.
constexpr std::size_t max_replies = 1'000;
constexpr std::size_t max_reply_octets = 32UL * 1024;
// What a batch of several commands has room for at once.
constexpr std::size_t usual_batch = 64;

}  // namespace

Answers accept_all(const Plan& plan) {
  Answers answers;
  if (plan.mail_end != 0) answers.mail = make_reply(250, "2.1.0", "Ok");
  for (const auto& forward : plan.forwards) {
    answers.replies.push_back(forward.what == Plan::Asked::data ? make_reply(354, "", "go ahead")
                                                                : make_reply(250, "2.1.5", "Ok"));
  }
  return answers;
}

wire::RecipientParameters sent_parameters(const Recipient& recipient, bool utf8) {
  auto parameters = recipient.parameters;
  if (recipient.adds_orcpt) parameters.orcpt = wire::original_recipient(recipient.path, utf8);
  return parameters;
}

Reply Dialogue::greeting() const {
  return make_reply(220, "", fmt::format("{} ESMTP Postern", rules_.hostname));
}

Plan Dialogue::take(std::string_view& input, const Capabilities& offered) {
  Plan plan;
  while (!plan.ends_session && !plan.asks_data && !plan.chunk && !plan.starts_tls && !plan.auth &&
         plan.replies.size() < max_replies && plan.reply_octets < max_reply_octets) {
    if (chunk_refusal_) {
      if (!drop_chunk(input, plan)) break;
      continue;
    }
    if (dropping_line_ && !drop_line(input, plan)) break;
    const auto line = wire::next_line(input);
    if (line.state == wire::Line::State::none) break;
    if (line.state != wire::Line::State::complete && wire::announces_chunk(input)) {
      plan.ends_session = true;
      add(plan, unreadable_chunk());
      break;
    }
    if (line.state == wire::Line::State::too_long) {
      dropping_line_ = true;
      continue;
    }
    if (line.state == wire::Line::State::bare) {
      add(plan, no_command(plan, "a command line must not hold a bare CR or LF, or NUL"));
    } else {
      const auto command = wire::parse_command(line.text);
      if (depends_on_pending(command, plan)) break;
      plan.asks_data = command.verb == Verb::data && !command.error;
      auto reply = answer(command, plan, offered);
      if (reply && command.chunk && !plan.ends_session) {
        abandon(plan);
        refuse_chunk(*command.chunk, *std::move(reply));
      } else {
        add(plan, std::move(reply));
      }
    }
    input.remove_prefix(line.consumed);
  }
  return plan;
}

// A line that is no command. Behind a DATA that was refused it is the beginning of a message that
// did not wait for the 354: what follows is never read as commands (DESIGN.md 7).
Reply Dialogue::no_command(Plan& plan, std::string_view text) {
  if (!after_refused_data_) return make_reply(500, "5.5.2", text);
  plan.ends_session = true;
  return make_reply(421, "4.7.0", "not a command: a message may follow a 354 only");
}

bool Dialogue::drop_line(std::string_view& input, Plan& plan) {
  const auto end = input.find("\r\n");
  if (end == std::string_view::npos) {
    // A CR at the end may be half of the CRLF that is waited for.
    input.remove_prefix(input.ends_with('\r') ? input.size() - 1 : input.size());
    return false;
  }
  input.remove_prefix(end + 2);
  dropping_line_ = false;
  add(plan, no_command(plan, "line too long"));
  return true;
}

bool Dialogue::depends_on_pending(const wire::Command& command, const Plan& plan) const {
  if (plan.forwards.empty()) return false;
  // One that is refused ends the transaction.
  if (command.verb == Verb::bdat) return command.error || !rules_.chunking || !extended_;
  if (command.error) return false;
  switch (command.verb) {
    case Verb::helo:
    case Verb::ehlo:
    case Verb::mail:
    case Verb::rset:
    case Verb::quit:
    case Verb::starttls:
    case Verb::auth:
    case Verb::xforward:
      return true;
    default:
      return false;
  }
}

void Dialogue::add(Plan& plan, std::optional<Reply> reply) {
  if (reply && is_client_error(*reply) && ++errors_ > rules_.max_errors) {
    reply = make_reply(421, "4.7.0", "too many errors");
    plan.ends_session = true;
  }
  plan.reply_octets += reply ? reply->text.size() : 0;
  // A second one: a batch has many.
  if (plan.replies.size() == 1) plan.replies.reserve(usual_batch);
  plan.replies.push_back(std::move(reply).value_or(Reply{}));
}

std::optional<Reply> Dialogue::answer(const wire::Command& command, Plan& plan,
                                      const Capabilities& offered) {
  if (after_refused_data_ && command.verb == Verb::unknown) return no_command(plan, {});
  after_refused_data_ = false;
  if (command.verb == Verb::bdat) return bdat(command, plan);
  if (command.error) return command.error;
  switch (command.verb) {
    case Verb::helo:
    case Verb::ehlo:
      return hello(command, plan, offered);
    case Verb::mail:
      return mail(command, plan);
    case Verb::rcpt:
      return rcpt(command, plan, offered);
    case Verb::data:
      return data(plan);
    case Verb::rset:
      abandon(plan);
      return make_reply(250, "2.0.0", "Ok");
    case Verb::noop:
      return make_reply(250, "2.0.0", "Ok");
    case Verb::quit:
      abandon(plan);
      plan.ends_session = true;
      return make_reply(221, "2.0.0", fmt::format("{} closing connection", rules_.hostname));
    case Verb::vrfy:
      return make_reply(252, "2.5.2", "cannot verify, but will take mail for it and try");
    case Verb::expn:
      return make_reply(502, "5.5.1", "EXPN is not available");
    case Verb::help:
      return make_reply(214, "2.0.0",
                        "EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT, see RFC 5321");
    case Verb::starttls:
      return starttls(plan);
    case Verb::auth:
      return auth(command, plan);
    case Verb::xforward:
      return xforward(command);
    case Verb::bdat:
    case Verb::unknown:
      break;
  }
  return make_reply(500, "5.5.1", "command not recognized");
}

// RFC 5321 section 4.1.4: EHLO and HELO clear what RSET clears.
Reply Dialogue::hello(const wire::Command& command, Plan& plan, const Capabilities& offered) {
  abandon(plan);
  helo_ = command.argument;
  extended_ = command.verb == Verb::ehlo;
  told_ = offered;
  if (rules_.max_size != 0) {
    told_.size = true;
    told_.size_limit =
        told_.size_limit == 0 ? rules_.max_size : std::min(told_.size_limit, rules_.max_size);
  }
  const bool asks = may_authenticate() && !authenticated_;
  std::erase_if(told_.auth,
                [&](const auto& mechanism) { return !asks || !wire::can_relay(mechanism); });
  size_is_ours_ = told_.size && !offered.size;
  if (!extended_) return make_reply(250, "", rules_.hostname);
  return ehlo_reply(rules_.hostname, told_,
                    {.starttls = rules_.starttls && !secure_,
                     .chunking = rules_.chunking,
                     .xforward = rules_.xforward});
}

void Dialogue::secured() {
  secure_ = true;
  extended_ = false;
  helo_.clear();
  forwarded_.clear();
  told_ = {};
  after_refused_data_ = false;
}

Reply Dialogue::starttls(Plan& plan) {
  if (!rules_.starttls) return make_reply(502, "5.5.1", "command not implemented");
  if (secure_) return make_reply(503, "5.5.1", "TLS is on already");
  abandon(plan);
  plan.starts_tls = true;
  return make_reply(220, "2.0.0", "ready to start TLS");
}

// Its reply is that of the exchange.
std::optional<Reply> Dialogue::auth(const wire::Command& command, Plan& plan) const {
  if (!rules_.auth) return make_reply(502, "5.5.1", "command not implemented");
  if (!extended_) return make_reply(503, "5.5.1", "send EHLO first");
  if (authenticated_) return make_reply(503, "5.5.1", "already authenticated");
  if (transaction_) return make_reply(503, "5.5.1", "not in the middle of a mail transaction");
  if (!may_authenticate()) {
    return make_reply(538, "5.7.11", "a password is taken under TLS only: send STARTTLS first");
  }
  if (told_.auth.empty()) return make_reply(454, "4.7.0", no_authentication);
  if (std::ranges::find(told_.auth, command.argument) == told_.auth.end()) {
    return make_reply(504, "5.5.4", "this mechanism is not offered");
  }
  plan.auth = command;
  return std::nullopt;
}

Reply Dialogue::xforward(const wire::Command& command) {
  if (!rules_.xforward) return make_reply(550, "5.7.0", "you are not authorized to say this");
  if (transaction_) return make_reply(503, "5.5.1", "not in the middle of a mail transaction");
  auto attributes = wire::parse_forwarded(command.argument);
  if (!attributes) return make_reply(501, "5.5.4", attributes.error().text);
  for (auto& attribute : *attributes) {
    std::erase_if(forwarded_, [&](const auto& had) { return had.first == attribute.first; });
    forwarded_.push_back(std::move(attribute));
  }
  return make_reply(250, "2.0.0", "Ok");
}

// What no MAIL may do here, whatever was said before.
std::optional<Reply> Dialogue::unfit_mail(const wire::Command& command) const {
  if (helo_.empty()) return make_reply(503, "5.5.1", "send EHLO or HELO first");
  if (rules_.must_authenticate && !authenticated_) {
    // The upstream was not reached yet, or offers none: nothing that the client could do.
    if (may_authenticate() && extended_ && told_.auth.empty()) {
      return make_reply(451, "4.7.0", no_authentication);
    }
    const bool tls_first = rules_.starttls && !may_authenticate();
    return make_reply(
        530, "5.7.0",
        tls_first ? "authentication required: send STARTTLS first" : "authentication required");
  }
  if (!command.mail.auth.empty() && !authenticated_ && told_.auth.empty()) {
    return make_reply(555, "5.5.4", "AUTH is not offered here");
  }
  return std::nullopt;
}

Reply Dialogue::mail(const wire::Command& command, Plan& plan) {
  if (auto unfit = unfit_mail(command)) return *std::move(unfit);
  auto forwarded = std::exchange(forwarded_, {});
  // Some clients, refused one RCPT, never send RSET: nothing was accepted, so nothing is lost by
  // starting afresh. The old transaction goes even when this MAIL is refused: a pipelined RCPT must
  // never join it.
  if (transaction_ && transaction_->accepted > 0)
    return make_reply(503, "5.5.1", "nested MAIL command");
  abandon(plan);
  if (const auto extension = missing(told_, needed_by(command.mail)); !extension.empty()) {
    return make_reply(555, "5.5.4", fmt::format("{} is not offered here", extension));
  }
  if (told_.size_limit != 0 && command.mail.size.value_or(0) > told_.size_limit) {
    return make_reply(552, "5.3.4",
                      fmt::format("message size exceeds the limit of {} octets", told_.size_limit));
  }
  if (rules_.may_send && !rules_.may_send()) {
    return make_reply(452, "4.7.1", "too many messages within a minute, try again later");
  }
  transaction_.emplace();
  transaction_->reverse_path = command.path;
  transaction_->parameters = command.mail;
  // RFC 4954 section 5: who is not known here vouches for nobody.
  if (!authenticated_) transaction_->parameters.auth.clear();
  transaction_->forwarded = std::move(forwarded);
  transaction_->needs = needed_by(command.mail);
  // A hint: left out where the upstream does not offer SIZE.
  transaction_->needs.size = command.mail.size && told_.size && !size_is_ours_;
  transaction_->stream = &check_.stream_of(command.path);
  if (rules_.return_domain && !command.path.empty()) {
    transaction_->returns = check_.return_paths(command.path);
  }
  return make_reply(250, "2.1.0", "Ok");
}

std::optional<Reply> Dialogue::rcpt(const wire::Command& command, Plan& plan,
                                    const Capabilities& offered) {
  if (!transaction_) return make_reply(503, "5.5.1", "need MAIL before RCPT");
  if (transaction_->in_chunks) return make_reply(503, "5.5.1", "its message has begun");
  if (needs_dsn(command.recipient) && !told_.dsn) {
    return make_reply(555, "5.5.4", "DSN is not offered here");
  }
  auto& transaction = *transaction_;
  const bool utf8 = transaction.parameters.smtputf8;
  if (command.path.needs_smtputf8() && !utf8) {
    return make_reply(553, "5.6.7", "an address that is not ASCII needs SMTPUTF8");
  }
  if (transaction.recipients >= rules_.max_recipients)
    return make_reply(452, "4.5.3", "too many recipients");
  ++transaction.recipients;
  auto refused = check_.check(command.path, *transaction.stream, utf8);
  auto verdict = check_.take_verdict();
  if (refused) {
    ++transaction.refused;
    if (verdict) transaction.told.push_back(*std::move(verdict));
    return refused;
  }
  if (transaction.broken) return transaction.broken;
  if (transaction.returns) {
    auto recipient = recipient_of(command, offered);
    if (!recipient) return recipient.error();
    forward_mail(plan, recipient->ref);
    forward_rcpt(plan, command.path, sent_parameters(*recipient, transaction.parameters.smtputf8));
    transaction.recipients_asked.push_back(*std::move(recipient));
  } else {
    forward_mail(plan, {});
    forward_rcpt(plan, command.path, command.recipient);
    if (check_.may_edit(*transaction.stream)) {
      transaction.recipients_asked.push_back({command.path, command.recipient});
    }
  }
  if (verdict) {
    if (transaction.asked.size() == 1) transaction.asked.reserve(usual_batch);
    transaction.asked.push_back(*std::move(verdict));
  }
  return std::nullopt;
}

// As a return address knows it; the reply where it cannot be made now.
std::expected<Recipient, Reply> Dialogue::recipient_of(const wire::Command& command,
                                                       const Capabilities& offered) {
  if (!transaction_->returns->tokens) {
    return std::unexpected(
        make_reply(451, "4.3.0", "the gate cannot make return addresses now, try again later"));
  }
  auto ref = check_.ref(command.path, *transaction_->stream);
  if (!ref) return std::unexpected(std::move(ref).error());
  return Recipient{
      .path = command.path,
      .parameters = command.recipient,
      .ref = *ref,
      .adds_orcpt = offered.dsn && command.recipient.orcpt.empty() && rewrites(*transaction_)};
}

void Dialogue::forward_rcpt(Plan& plan, const policy::Mailbox& path,
                            const wire::RecipientParameters& parameters) {
  transaction_->needs.dsn |= needs_dsn(parameters);
  wire::append_rcpt(plan.octets, path, parameters);
  plan.forwards.push_back({Plan::Asked::rcpt, plan.replies.size(), plan.octets.size()});
}

std::optional<Reply> Dialogue::data(Plan& plan) {
  after_refused_data_ = true;  // until it turns out to go ahead
  if (!transaction_) return make_reply(503, "5.5.1", "need MAIL and RCPT before DATA");
  if (transaction_->in_chunks) return make_reply(503, "5.5.1", "its message came by BDAT so far");
  return ask_for_data(plan);
}

// For DATA and the first BDAT.
std::optional<Reply> Dialogue::ask_for_data(Plan& plan) {
  auto& transaction = *transaction_;
  if (transaction.broken && transaction.accepted > 0) {
    auto broken = std::move(transaction.broken);
    end_transaction();
    return broken;
  }
  if (transaction.broken || (transaction.accepted == 0 && plan.forwards.empty()))
    return no_recipients();
  // Every forward of this plan is a RCPT still.
  const bool several = transaction.accepted + plan.forwards.size() > 1;
  const bool differs = rewrites(transaction) && (several || carries_anothers(transaction));
  transaction.comes_again = may_come_again(transaction);
  if (differs || transaction.comes_again || check_.waits_for_header(*transaction.stream, several)) {
    plan.own_data = plan.replies.size();
    return std::nullopt;
  }
  plan.octets += "DATA\r\n";
  plan.forwards.push_back({Plan::Asked::data, plan.replies.size(), plan.octets.size()});
  return std::nullopt;
}

bool Dialogue::may_come_again(const Transaction& transaction) const {
  const auto had = [&](const Recipient& recipient) {
    return check_.comes_again(transaction.reverse_path, recipient.path);
  };
  return std::ranges::any_of(transaction.recipients_told, had) ||
         std::ranges::any_of(transaction.recipients_asked, had);
}

// MAIL is held back until a recipient needs it: a session of suppressed recipients never touches
// the upstream.
void Dialogue::forward_mail(Plan& plan, const policy::ContactRef& ref) {
  auto& transaction = *transaction_;
  if (transaction.sent || plan.mail_end != 0) return;
  const bool with_size = transaction.needs.size;
  if (rewrites(transaction)) {
    transaction.mail_ref = ref;
    wire::append_mail(
        plan.octets,
        transaction.returns->reverse_path(*transaction.stream, transaction.reverse_path, ref),
        transaction.parameters, with_size);
  } else {
    wire::append_mail(plan.octets, transaction.reverse_path, transaction.parameters, with_size);
  }
  plan.mail_end = plan.octets.size();
  plan.forwarded = transaction.forwarded;
}

void Dialogue::abandon(Plan& plan) {
  forwarded_.clear();
  if (transaction_ && transaction_->sent) plan.abandons = true;
  end_transaction();
}

void Dialogue::end_transaction(Ending ending) {
  if (!transaction_) return;
  auto transaction = *std::exchange(transaction_, std::nullopt);
  // Whom the gate let through has not come through unless the message did.
  std::erase_if(transaction.told, [&](const Judged& judged) {
    return is_allowed(judged) &&
           (!ending.delivered ||
            std::ranges::find(ending.missed, judged.recipient) != ending.missed.end());
  });
  const policy::Stream& envelopes = *transaction.stream;
  const policy::Stream& own = ending.stream != nullptr ? *ending.stream : envelopes;
  const auto tell = [&](const policy::Stream& stream, std::span<const Judged> judged) {
    if (judged.empty()) return;
    policy::Passages passages{.stream = stream.name,
                              .campaign = ending.campaign,
                              .sender = policy::to_string(transaction.reverse_path),
                              .time = {},
                              .recipients = {}};
    passages.recipients.reserve(judged.size());
    std::ranges::transform(judged, std::back_inserter(passages.recipients), &Judged::passage);
    check_.ended(std::move(passages));
  };
  if (&own != &envelopes) {
    // Refused at RCPT they were for the envelope's stream.
    const auto passed = std::ranges::partition(transaction.told, std::not_fn(is_allowed));
    std::ranges::move(passed, std::back_inserter(ending.refused));
    transaction.told.erase(passed.begin(), passed.end());
    tell(own, ending.refused);
  }
  tell(envelopes, transaction.told);
}

Dialogue::Settled Dialogue::settle(Plan& plan, Answers answers) {
  Settled settled;
  auto& transaction = *transaction_;
  const auto lose = [&](Reply reply) {
    settled.drop_upstream = true;
    transaction.broken = std::move(reply);
  };
  if (plan.mail_end != 0) {
    if (!answers.mail) {
      lose(answers.failure.value_or(nonsense()));
    } else if (answers.mail->accepts()) {
      transaction.sent = true;
    } else if (is_refusal(*answers.mail)) {
      // RFC 5321 section 4.3.2: 552 answers no RCPT; of old it was read there as "too many
      // recipients", to be retried.
      transaction.broken =
          answers.mail->code == 552 ? wire::with_code(*answers.mail, 550) : *answers.mail;
    } else {
      lose(nonsense());
    }
  }
  for (std::size_t i = 0; i < plan.forwards.size(); ++i) {
    const auto& forward = plan.forwards[i];
    auto& reply = plan.replies[forward.reply];
    Reply* const said = i < answers.replies.size() ? &answers.replies[i] : nullptr;
    const bool is_data = forward.what == Plan::Asked::data;
    if (is_data && said != nullptr && said->code == 354 && transaction.accepted == 0) {
      // It waits for data of nobody: closing ends that without a message.
      settled.drop_upstream = true;
    }
    if (!transaction.broken) {
      const bool fits =
          said != nullptr && (is_refusal(*said) || (is_data ? said->code == 354 : said->accepts()));
      if (!fits) lose(said == nullptr ? answers.failure.value_or(nonsense()) : nonsense());
    }
    if (is_data && transaction.accepted == 0) {
      reply = no_recipients();
    } else if (transaction.broken || said == nullptr) {
      reply = transaction.broken.value_or(nonsense());
    } else {
      reply = std::move(*said);
      if (!is_data && reply.accepts()) accept(transaction, i);
      if (!is_data && reply.permanent() && i < transaction.asked.size()) {
        check_.refused_upstream(transaction.asked[i].recipient, *transaction.stream,
                                transaction.reverse_path, reply, true);
      }
      if (is_data) settled.go_ahead = reply.code == 354;
    }
  }
  transaction.asked.clear();
  transaction.recipients_asked.clear();
  if (plan.own_data) settle_own_data(plan, settled);
  if (settled.go_ahead) after_refused_data_ = false;
  if (plan.chunk) settle_chunk(plan, settled);
  // A DATA that did not go ahead ends the transaction where there was something to send; a BDAT
  // always: the chunks to come are no message without it.
  const bool asked = transaction.accepted > 0 || settled.drop_upstream || plan.chunk;
  if ((plan.asks_data || plan.chunk) && !settled.go_ahead && asked) end_transaction();
  return settled;
}

void Dialogue::settle_own_data(Plan& plan, Settled& settled) const {
  auto& reply = plan.replies[*plan.own_data];
  if (transaction_->accepted == 0) {
    reply = no_recipients();
  } else if (transaction_->broken) {
    reply = *transaction_->broken;
  } else {
    reply = make_reply(354, "", "go ahead, end with a dot alone on a line");
    settled.go_ahead = settled.data_held = true;
  }
}

}  // namespace postern::proxy
