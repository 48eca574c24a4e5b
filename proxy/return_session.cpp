#include "proxy/return_session.h"

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "proxy/answered.h"
#include "proxy/copies.h"
#include "proxy/wire/data.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace postern::proxy {

using boost::asio::awaitable;
using wire::make_reply;
using wire::Reply;

namespace {

constexpr std::uint64_t longest_return_mail = 50ULL << 20U;
// One report names one return address; some senders collect a few.
constexpr std::uint32_t most_recipients = 100;
// What the upstream took, and the client may not have read our 250 for (DESIGN.md 6).
constexpr std::chrono::hours on_record_unread{1};
constexpr std::chrono::minutes longest_delivery{8};
// For the mail to be read and put on record, which a compaction of the store may keep waiting.
constexpr std::chrono::seconds longest_reading{60};

// Every copy is alike: the message as it came, our trace line in front.
class ReturnedAsItCame final : public CopyPlan {
 public:
  explicit ReturnedAsItCame(const policy::Mailbox& reverse_path) : reverse_path_(reverse_path) {}
  // Nobody asked who wrote it: it may be anybody, who is to learn nothing of the original sender.
  [[nodiscard]] bool reports_refusals() const override { return false; }
  [[nodiscard]] const std::vector<Late>& late() const override { return late_; }
  [[nodiscard]] policy::Mailbox reverse_path_of(const Recipient& /*recipient*/) const override {
    return reverse_path_;
  }
  [[nodiscard]] Recipient sent_to(const Recipient& recipient) const override { return recipient; }
  [[nodiscard]] std::string section_of(const Recipient& /*recipient*/) const override { return {}; }
  [[nodiscard]] const std::string& section() const override { return section_; }

 private:
  const policy::Mailbox& reverse_path_;
  std::vector<Late> late_;
  std::string section_;
};

}  // namespace

struct ReturnSession::Message {
  Message(std::string trace, const SessionSettings& settings, std::uint64_t size, Room* whole_room,
          Room::Part part, Time now)
      : flow(std::move(trace), {.header = settings.limits.header,
                                .hops = settings.limits.hops,
                                .size = size,
                                .normalize_lines = settings.normalize_lines}),
        room(whole_room, part),
        arrived(now) {}
  MessageFlow flow;
  Room::Share room;
  ContentDigest digest;
  HeldMessage body;
  std::optional<Reply> early;  // there is no room for it
  Time arrived;
  std::string said;  // once it was understood
};

ReturnSession::ReturnSession(std::string id, std::unique_ptr<Stream> client, IpAddress peer,
                             SessionContext context,
                             std::shared_ptr<const SessionSettings> settings)
    : ClientSide(std::move(id), std::move(client), peer, context.buffer,
                 {.hostname = settings->hostname,
                  .max_recipients = std::min(settings->limits.recipients, most_recipients),
                  .max_errors = settings->limits.errors,
                  .max_size = settings->listener_limits.size,
                  .starttls = settings->tls.mode == ListenerConfig::Tls::starttls,
                  .may_send = [this] { return may_send(context_, *settings_, {}, peer_); }},
                 check_, *settings),
      context_(context),
      settings_(std::move(settings)),
      check_({.session = id_, .trusted = contains(settings_->trusted, peer_)},
             settings_->return_mail->domain, *context_.contexts, settings_->streams->null_sender(),
             context_.clock, settings_->counts.get()) {}

// What is passed on has to suit the upstream.
Capabilities ReturnSession::offered() const {
  Capabilities offered{.pipelining = true, .size = true, .size_limit = longest_return_mail};
  const auto& upstream = context_.routes.last().offered();
  const bool forward = settings_->return_mail->forward;
  offered.eight_bit_mime = !forward || upstream.eight_bit_mime;
  offered.smtputf8 = !forward || upstream.smtputf8;
  return offered;
}

awaitable<void> ReturnSession::run() {
  bool open = co_await greet();
  while (open && !draining_) {
    Plan plan = take({}, offered());
    if (plan.replies.empty()) {
      const auto got = co_await receive_commands();
      if (!got) {
        open = false;
        break;
      }
      release_copies({});
      plan = take(*got, offered());
    }
    if (!plan.replies.empty()) open = co_await serve(std::move(plan));
  }
  if (open && draining_) co_await farewell({Errc::cancelled, "draining"});
  release_copies(context_.clock() + on_record_unread);
  client_->close();
}

awaitable<bool> ReturnSession::serve(Plan plan) {
  Dialogue::Settled settled;
  if (!plan.forwards.empty()) settled = dialogue_.settle(plan, accept_all(plan));
  if (!co_await send_replies(plan, settled.go_ahead)) co_return false;
  if (plan.starts_tls) co_return co_await start_tls();
  co_return !settled.go_ahead || co_await take_message();
}

awaitable<bool> ReturnSession::take_message() {
  // What comes to addresses that anybody knows leaves room for what was asked for.
  const auto part = check_.is_answer() ? Room::Part::whole : Room::Part::half;
  Message message(trace(context_.clock()), *settings_, most_octets(), context_.return_mail_room,
                  part, context_.clock());
  std::string first = std::exchange(pending_, {});  // came behind DATA
  const auto begun = std::chrono::steady_clock::now();
  while (!message.flow.finished()) {
    std::string_view octets = first;
    if (first.empty()) {
      const auto limit = patience(message.flow.octets(), begun, settings_->timeouts.data_block);
      const auto got = co_await receive(limit, context_.buffer.size());
      if (!got) {
        log::info(fmt::format("{} return mail cut short: {}", id_, got.error().text));
        co_await farewell(got.error());
        co_return false;
      }
      octets = *got;
    }
    release_copies({});
    const auto output = message.flow.feed(octets);
    message.digest.add(octets.substr(0, output.consumed));
    keep(message, output.pieces);
    if (message.flow.finished()) pending_ = octets.substr(output.consumed);
    first.clear();
  }
  const auto reply = co_await final_reply(message);
  log::info(fmt::format("{} return mail from=<{}> octets={} {}{}reply={}", id_,
                        printable(policy::to_string(dialogue_.transaction()->reverse_path)),
                        message.flow.octets(), message.said, message.said.empty() ? "" : " ",
                        reply.code));
  dialogue_.end_transaction();
  // What came before our 250 does not show that it was read.
  if (!on_record_.empty() && read_ahead()) release_copies(context_.clock() + on_record_unread);
  co_return co_await send(reply.text);
}

std::uint64_t ReturnSession::most_octets() const {
  const auto configured = settings_->listener_limits.size;
  return configured == 0 ? longest_return_mail : std::min(longest_return_mail, configured);
}

void ReturnSession::keep(Message& message, std::span<const std::string_view> pieces) const {
  const auto no_room = [&](std::string_view why) {
    log::error(fmt::format("{} deferred: {}", id_, why));
    message.early = make_reply(452, "4.3.1", "no room to keep the message, try again later");
  };
  for (const auto piece : pieces) {
    if (message.early || message.flow.refused()) break;
    if (!message.room.take(piece.size())) {
      no_room("all return mail that comes in now is more than the gate holds");
    } else if (const auto kept = message.body.append(piece); !kept) {
      no_room(kept.error().text);
    }
  }
  if (!message.early && !message.flow.refused()) return;
  message.body.clear();
  message.room.give_back();
}

awaitable<Reply> ReturnSession::final_reply(Message& message) {
  if (message.flow.refused()) co_return *message.flow.refused();
  if (message.early) co_return *message.early;
  auto mail = mail_of(message);
  if (!mail) {
    log::error(fmt::format("{} deferred: {}", id_, mail.error().text));
    co_return make_reply(451, "4.3.0", "the message cannot be read again, try again later");
  }
  const auto verdict = co_await understand(*std::move(mail));
  if (!verdict) {
    log::error(
        fmt::format("{} deferred: return mail cannot be recorded: {}", id_, verdict.error().text));
    co_return make_reply(451, "4.3.0", "the message cannot be recorded right now, try again later");
  }
  message.said = verdict->said;
  if (verdict->forward.empty()) co_return make_reply(250, "2.0.0", "Ok: read");
  co_return co_await pass_on(message, verdict->forward);
}

Result<policy::ReturnMail> ReturnSession::mail_of(const Message& message) {
  const auto& transaction = *dialogue_.transaction();
  policy::ReturnMail mail{
      .octets = {},
      .size = message.body.size(),
      .reverse_path = transaction.reverse_path,
      .recipients = check_.take_recipients(),
      .believed = settings_->return_mail->domain.any_mailbox && contains(settings_->trusted, peer_),
      .arrived = message.arrived};
  const auto wanted = std::min<std::uint64_t>(message.body.size(), policy::max_return_mail_read);
  std::string octets;
  octets.reserve(wanted);
  while (octets.size() < wanted) {
    const auto room = std::min<std::uint64_t>(context_.buffer.size(), wanted - octets.size());
    const auto piece = message.body.piece(octets.size(), context_.buffer.first(room));
    if (!piece) return std::unexpected(piece.error());
    if (piece->empty()) break;
    octets += piece->substr(0, wanted - octets.size());
  }
  mail.octets = wire::unstuffed(octets, "\r\n");
  if (octets.size() == message.body.size()) mail.size = mail.octets.size();
  return mail;
}

awaitable<Result<policy::ReturnVerdict>> ReturnSession::understand(policy::ReturnMail mail) {
  // Written by another thread, and read when that has answered.
  const auto verdict = std::make_shared<policy::ReturnVerdict>();
  const auto done = co_await answered(
      [&](Answer answer) {
        context_.returns->take(std::move(mail),
                               [verdict, answer](Result<policy::ReturnVerdict> understood) {
                                 if (!understood)
                                   return answer(std::unexpected(std::move(understood).error()));
                                 *verdict = *std::move(understood);
                                 answer({});
                               });
      },
      longest_reading);
  if (!done) co_return std::unexpected(done.error());
  co_return std::move(*verdict);
}

// Where the upstream refuses it for good, nobody can be told: the mail is read and on record.
awaitable<Reply> ReturnSession::pass_on(Message& message,
                                        const std::vector<policy::Mailbox>& recipients) {
  if (is_gone()) {
    log::info(fmt::format("{} client left before its return mail was passed on", id_));
    co_return make_reply(451, "4.4.2", "the client is gone");
  }
  const auto& asked = *dialogue_.transaction();
  Transaction transaction;
  transaction.reverse_path = asked.reverse_path;
  transaction.parameters.body = asked.parameters.body;
  transaction.parameters.smtputf8 = asked.parameters.smtputf8;
  for (const auto& recipient : recipients) {
    transaction.parameters.smtputf8 |= recipient.needs_smtputf8();
    transaction.recipients_told.push_back({.path = recipient, .parameters = {}});
  }
  transaction.needs = needed_by(transaction.parameters);
  const ReturnedAsItCame plan(asked.reverse_path);
  const wire::ClientFacts client{
      .address = peer_, .helo = dialogue_.helo(), .extended = dialogue_.extended(), .login = {}};
  Copies copies({.pool = context_.routes.last(),
                 .client = &client,
                 .ledger = context_.ledger,
                 .clock = context_.clock,
                 .buffer = context_.buffer,
                 .connections = settings_->split_connections,
                 .hostname = settings_->hostname,
                 .id = id_,
                 .arrived = message.arrived,
                 .counts = settings_->counts.get(),
                 .until = std::chrono::steady_clock::now() + longest_delivery},
                transaction, plan, message.body, message.digest.finish());
  auto outcome = co_await copies.deliver();
  const bool refused = outcome.reply.permanent() || !outcome.missed.empty();
  if (settings_->counts && !outcome.reply.transient()) {
    settings_->counts->forwarded(refused ? Counts::Forwarded::refused : Counts::Forwarded::taken);
  }
  if (outcome.reply.transient()) {
    if (settings_->counts) settings_->counts->forwarded(Counts::Forwarded::deferred);
    co_return std::move(outcome.reply);
  }
  on_record_ = std::move(outcome.on_record);
  if (refused) {
    log::warning(
        fmt::format("{} return mail was read, but the upstream does not take it for its "
                    "sender: {}",
                    id_, printable(trim(outcome.reply.text))));
    co_return make_reply(250, "2.0.0", "Ok: read, and not passed on");
  }
  co_return make_reply(250, "2.0.0", "Ok: read and passed on");
}

// DESIGN.md 6: tomorrow's identical mail must not be swallowed behind a 250.
void ReturnSession::release_copies(Time until) {
  if (on_record_.empty() || context_.ledger == nullptr) return;
  context_.ledger->keep_until(std::exchange(on_record_, {}), until);
}

}  // namespace postern::proxy
