// `check`: what the gate would answer to this recipient, by the gate's own path: the store's
// reader, policy's decision and wording.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/standing.h"
#include "cli/suggestion.h"
#include "cli/verbs.h"
#include "policy/decision.h"

#include <optional>
#include <span>

#include <fmt/format.h>

namespace postern::cli {
namespace {

struct Question {
  const policy::Stream& stream;
  Time at;
};

struct Answer {
  std::string address;  // as it was written
  policy::CanonicalAddress contact;
  policy::Verdict verdict;
  policy::Refusal refusal;
  std::vector<StandingHold> standing;
};

std::expected<std::vector<policy::Mailbox>, int> parse_mailboxes(
    std::span<const std::string> texts) {
  std::vector<policy::Mailbox> mailboxes;
  int status = exit_done;
  for (const auto& text : texts) {
    auto mailbox = policy::parse_contact_mailbox(text);
    if (mailbox) {
      mailboxes.push_back(*std::move(mailbox));
    } else {
      status = complain(mailbox.error());
    }
  }
  if (status != exit_done) return std::unexpected(status);
  return mailboxes;
}

Result<Answer> ask(const Context& context, policy::ContactReader& reader,
                   const policy::Mailbox& mailbox, const Question& question) {
  const auto contact = policy::canonical(mailbox);
  policy::Findings findings;
  if (auto found = reader.find(contact, findings); !found) return std::unexpected(found.error());
  if (question.at < context.now) {
    auto gone = go_back(*context.store, findings, question.at);
    if (!gone) return std::unexpected(gone.error());
  }
  Answer answer{.address = policy::to_string(mailbox),
                .contact = contact,
                .verdict = policy::decide(findings, question.stream, context.streams, question.at),
                .refusal = {},
                .standing = {}};
  if (answer.verdict.allowed()) return answer;

  const auto note = reader.note(answer.verdict.event);
  if (!note) return std::unexpected(note.error());
  answer.refusal = policy::refusal(answer.verdict, answer.address, *note, mailbox.needs_smtputf8());
  auto standing = standing_holds(context, findings, std::span(&question.stream, 1), question.at,
                                 answer.verdict.event);
  if (!standing) return std::unexpected(standing.error());
  answer.standing = *std::move(standing);
  return answer;
}

void print(const Answer& answer, const policy::Stream& stream) {
  if (answer.verdict.allowed()) {
    return say(fmt::format("250 <{}>: would be accepted (stream {})", one_line(answer.address),
                           stream.name));
  }
  say(fmt::format("{} {} {}", answer.refusal.code, answer.refusal.enhanced_status_code,
                  answer.refusal.text));
  for (const auto& one : answer.standing) {
    say("  " + describe(one, answer.contact));
    say("  " + remedy(one));
  }
  if (answer.verdict.reason == policy::Reason::no_consent) {
    say(fmt::format("  stream {} asks for a recorded opt-in", stream.name));
    say("  record one with: " + resubscribe_command(answer.address, stream.name));
  }
}

void print_json(const Answer& answer, const policy::Stream& stream) {
  boost::json::object object{{"address", answer.address},
                             {"stream", stream.name},
                             {"accepted", answer.verdict.allowed()},
                             {"code", answer.verdict.allowed() ? 250 : answer.refusal.code}};
  if (!answer.verdict.allowed()) {
    object["enhanced_status_code"] = answer.refusal.enhanced_status_code;
    object["text"] = answer.refusal.text;
    object["reason"] = to_string(answer.verdict.reason);
  }
  if (!answer.standing.empty()) {
    const auto& speaks = answer.standing.front();
    object["date"] = format_time(speaks.hold.date);
    object["source"] = speaks.source;
    object["note"] = speaks.note;
  }
  say(object);
}

std::expected<const policy::Stream*, int> stream_of(const Context& context,
                                                    const std::string& name) {
  if (name.empty()) return &context.streams.fallback();
  if (const auto* stream = context.streams.find(name)) return stream;
  return std::unexpected(wrong_call(fmt::format("no stream is named {}; there are: {}",
                                                one_line(name), known_names(context.streams))));
}

}  // namespace

int check(const CheckOptions& options) {
  const auto mailboxes = parse_mailboxes(options.addresses);
  if (!mailboxes) return mailboxes.error();
  std::optional<Time> at;
  if (!options.at.empty()) {
    const auto parsed = parse_time(options.at);
    if (!parsed) return wrong_call("--at: " + parsed.error().text);
    at = *parsed;
  }
  const auto context = open_context(options.where, store::Mode::read_only);
  if (!context) return context.error();
  const auto stream = stream_of(*context, options.stream);
  if (!stream) return stream.error();
  auto reader = context->store->reader();
  if (!reader) return complain(reader.error());

  int status = exit_done;
  for (const auto& mailbox : *mailboxes) {
    const auto answer = ask(*context, **reader, mailbox, {**stream, at.value_or(context->now)});
    if (!answer) return complain(answer.error());
    options.json ? print_json(*answer, **stream) : print(*answer, **stream);
    if (!answer->verdict.allowed()) status = exit_no;
  }
  return status;
}

}  // namespace postern::cli
