#include "proxy/gatekeeper.h"

#include "base/log.h"
#include "base/text.h"

#include <chrono>

#include <fmt/format.h>

namespace postern::proxy {

namespace {

wire::Reply cannot_look_up() { return wire::make_reply(451, "4.3.0", lookup_failed); }

}  // namespace

std::optional<wire::Reply> Gatekeeper::check(const policy::Mailbox& recipient,
                                             const policy::Stream& stream, bool utf8) {
  verdict_.reset();
  if (!client_.may_relay) {
    const auto address = to_string(client_.address);
    log::info(fmt::format("{} relay denied client={} to=<{}>", client_.session, address,
                          printable(policy::to_string(recipient))));
    return wire::make_reply(554, "5.7.1",
                            fmt::format("relay access denied: {} may not relay here", address));
  }
  auto judgement = lookup_.judge(recipient, stream);
  if (!judgement) return cannot_look_up();
  if (traffic_ != nullptr) {
    verdict_.emplace(std::move(judgement->contact),
                     policy::Passages::Passage{judgement->ref, judgement->verdict.reason});
  }
  if (judgement->verdict.allowed()) return std::nullopt;
  const auto refused =
      policy::refusal(judgement->verdict, judgement->written, judgement->note, utf8);
  return wire::make_reply(refused.code, refused.enhanced_status_code, refused.text);
}

ReturnPaths Gatekeeper::return_paths(const policy::Mailbox& reverse_path) {
  const auto days = std::chrono::floor<std::chrono::days>(lookup_.now().time_since_epoch());
  return {.rules = client_.returns,
          .tokens = client_.contexts->tokens(),
          .day = static_cast<std::uint32_t>(days.count()),
          .kept = client_.returns->keeps(reverse_path),
          .authenticated = client_.authenticated};
}

std::expected<policy::ContactRef, wire::Reply> Gatekeeper::ref(const policy::Mailbox& recipient,
                                                               const policy::Stream& stream) {
  const auto ref = lookup_.ref(recipient, stream);
  if (!ref) return std::unexpected(cannot_look_up());
  return *ref;
}

bool Gatekeeper::may_edit(const policy::Stream& stream) const {
  if (&stream == &lookup_.streams().null_sender()) return false;
  const bool marketing = stream.kind == policy::Stream::Kind::marketing;
  return lookup_.streams().has_list_ids() ||
         (marketing && (client_.links || !stream.feedback_id.empty()));
}

bool Gatekeeper::comes_again(const policy::Mailbox& reverse_path,
                             const policy::Mailbox& recipient) const {
  if (client_.partial == nullptr) return false;
  const Time now = clock_();
  return client_.partial->knows_any(now) &&
         client_.partial->knows(policy::to_string(reverse_path), policy::canonical(recipient).text,
                                now);
}

bool Gatekeeper::waits_for_header(const policy::Stream& stream, bool several) const {
  if (&stream == &lookup_.streams().null_sender()) return false;
  if (lookup_.streams().has_list_ids()) return true;
  const bool personal = client_.links && stream.kind == policy::Stream::Kind::marketing &&
                        stream.list_unsubscribe != policy::Stream::ListUnsubscribe::off;
  return several && personal;
}

void Gatekeeper::refused_upstream(const policy::CanonicalAddress& recipient,
                                  const policy::Stream& stream, const policy::Mailbox& reverse_path,
                                  const wire::Reply& reply, bool at_rcpt) {
  if (returns_ == nullptr) return;
  returns_->refused({.recipient = recipient,
                     .stream = stream.name,
                     .sender = policy::to_string(reverse_path),
                     .reply = wire::one_line(reply),
                     .at_rcpt = at_rcpt,
                     .time = lookup_.now()});
}

void Gatekeeper::ended(policy::Passages passages) {
  passages.time = lookup_.now();
  traffic_->record(std::move(passages));
}

}  // namespace postern::proxy
