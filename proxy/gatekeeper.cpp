#include "proxy/gatekeeper.h"

#include "base/log.h"
#include "base/text.h"

#include <chrono>

#include <fmt/format.h>

namespace postern::proxy {

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
  auto contact = policy::canonical(recipient);
  const auto asked = std::chrono::steady_clock::now();
  if (const auto found = reader_.find(contact, findings_); !found) {
    return store_failed(stream, found.error());
  }
  if (counts_ != nullptr) {
    counts_->lookup(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - asked).count());
  }
  const auto verdict = policy::decide(findings_, stream, *streams_, clock_());
  const auto keep = [&] {
    if (counts_ != nullptr) counts_->recipient(stream, verdict.reason);
    if (traffic_ != nullptr) verdict_.emplace(std::move(contact), verdict.reason);
  };
  if (verdict.allowed()) {
    keep();
    return std::nullopt;
  }
  const auto note = reader_.note(verdict.event);
  if (!note) return store_failed(stream, note.error());
  keep();
  const auto refused = policy::refusal(verdict, policy::to_string(recipient), *note, utf8);
  log::info(fmt::format("{} refused stream={} reason={} to=<{}>", client_.session, stream.name,
                        policy::to_string(verdict.reason),
                        printable(policy::to_string(recipient))));
  return wire::make_reply(refused.code, refused.enhanced_status_code, refused.text);
}

wire::Reply Gatekeeper::store_failed(const policy::Stream& stream, const Error& error) const {
  if (counts_ != nullptr) counts_->recipient_deferred(stream);
  log::error(fmt::format("{} deferred: the store cannot answer: {}", client_.session, error.text));
  return wire::make_reply(451, "4.3.0",
                          "the gate cannot look up recipients right now, try again later");
}

ReturnPaths Gatekeeper::return_paths(const policy::Mailbox& reverse_path) {
  const auto days = std::chrono::floor<std::chrono::days>(clock_().time_since_epoch());
  return {.rules = client_.returns,
          .tokens = client_.contexts->tokens(),
          .day = static_cast<std::uint32_t>(days.count()),
          .kept = client_.returns->keeps(reverse_path),
          .authenticated = client_.authenticated};
}

std::expected<policy::ContactRef, wire::Reply> Gatekeeper::ref(const policy::Mailbox& recipient,
                                                               const policy::Stream& stream) {
  auto ref = reader_.ref(policy::canonical(recipient));
  if (!ref) return std::unexpected(store_failed(stream, ref.error()));
  return *ref;
}

bool Gatekeeper::may_edit(const policy::Stream& stream) const {
  if (&stream == &streams_->null_sender()) return false;
  const bool marketing = stream.kind == policy::Stream::Kind::marketing;
  return streams_->has_list_ids() || (marketing && (client_.links || !stream.feedback_id.empty()));
}

bool Gatekeeper::waits_for_header(const policy::Stream& stream, bool several) const {
  if (&stream == &streams_->null_sender()) return false;
  if (streams_->has_list_ids()) return true;
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
                     .time = clock_()});
}

void Gatekeeper::ended(policy::Passages passages) {
  passages.time = clock_();
  traffic_->record(std::move(passages));
}

}  // namespace postern::proxy
