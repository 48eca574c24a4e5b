#include "proxy/recipient_lookup.h"

#include "base/log.h"
#include "base/text.h"

#include <chrono>

#include <fmt/format.h>

namespace postern::proxy {

Result<Judgement> RecipientLookup::judge(const policy::Mailbox& recipient,
                                         const policy::Stream& stream) {
  Judgement judgement{.contact = policy::canonical(recipient), .ref = {}, .verdict = {}};
  if (auto found = reader_.find(judgement.contact, findings_); !found) {
    return failed(stream, std::move(found).error());
  }
  judgement.ref = findings_.asked;
  if (counts_ != nullptr) {
    counts_->lookup(std::chrono::duration<double>(findings_.took).count());
  }
  // Of nothing nothing expires.
  const Time now = findings_.size == 0 ? Time{} : clock_();
  judgement.verdict = policy::decide(findings_, stream, *streams_, now);
  const bool allowed = judgement.verdict.allowed();
  if (!allowed) {
    if (policy::tells_note(judgement.verdict.reason)) {
      auto note = reader_.note(judgement.verdict.event);
      if (!note) return failed(stream, std::move(note).error());
      judgement.note = *std::move(note);
    }
    judgement.written = policy::to_string(recipient);
    tell(stream, judgement);
  }
  if (counts_ != nullptr) counts_->recipient(stream, judgement.verdict.reason);
  return judgement;
}

// Joined by hand: a list of suppressed recipients has such a line for each.
void RecipientLookup::tell(const policy::Stream& stream, const Judgement& judgement) const {
  if (!log::enabled(log::Level::info)) return;
  std::string line;
  line.reserve(session_.size() + stream.name.size() + judgement.written.size() + 64);
  line.append(session_).append(" refused stream=").append(stream.name);
  line.append(" reason=").append(policy::to_string(judgement.verdict.reason));
  line.append(" to=<").append(printable(judgement.written)) += '>';
  log::info(line);
}

Result<policy::ContactRef> RecipientLookup::ref(const policy::Mailbox& recipient,
                                                const policy::Stream& stream) {
  auto ref = reader_.ref(policy::canonical(recipient));
  if (!ref) return failed(stream, std::move(ref).error());
  return ref;
}

std::unexpected<Error> RecipientLookup::failed(const policy::Stream& stream, Error error) const {
  if (counts_ != nullptr) counts_->recipient_deferred(stream);
  log::error(fmt::format("{} deferred: the store cannot answer: {}", session_, error.text));
  return std::unexpected(std::move(error));
}

}  // namespace postern::proxy
