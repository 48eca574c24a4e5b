#include "proxy/return_check.h"

#include "base/log.h"
#include "base/text.h"

#include <algorithm>

#include <fmt/format.h>

namespace postern::proxy {

using policy::NoReturn;
using wire::make_reply;

const policy::Stream& ReturnCheck::stream_of(const policy::Mailbox& /*reverse_path*/) {
  recipients_.clear();
  return stream_;
}

std::optional<wire::Reply> ReturnCheck::check(const policy::Mailbox& recipient,
                                              const policy::Stream& /*stream*/, bool /*utf8*/) {
  const auto tokens = contexts_.tokens();
  if (!tokens) {
    if (counts_ != nullptr) counts_->return_recipient(Counts::ReturnResult::deferred);
    return make_reply(451, "4.3.0",
                      "return addresses cannot be checked right now, try again later");
  }
  auto found = policy::return_recipient(recipient, domain_, *tokens, client_.trusted, clock_());
  if (const auto* why = std::get_if<NoReturn>(&found)) return refuse(*why, recipient);
  if (counts_ != nullptr) counts_->return_recipient(Counts::ReturnResult::taken);
  // Named again, in whatever spelling, it is the same mail still.
  auto& named = std::get<policy::ReturnRecipient>(found);
  const bool known = std::ranges::any_of(recipients_, [&](const policy::ReturnRecipient& had) {
    const bool by_path = named.kind == policy::ReturnRecipient::Kind::mailbox;
    return had.kind == named.kind && had.token == named.token &&
           (!by_path || had.path == named.path);
  });
  if (!known) recipients_.push_back(std::move(named));
  return std::nullopt;
}

bool ReturnCheck::is_answer() const {
  using Kind = policy::ReturnRecipient::Kind;
  return std::ranges::any_of(recipients_, [](const policy::ReturnRecipient& recipient) {
    return recipient.kind != Kind::postmaster && recipient.kind != Kind::complaints;
  });
}

// Somebody may be guessing: one line in the log for each would be theirs to fill it with.
wire::Reply ReturnCheck::refuse(NoReturn why, const policy::Mailbox& recipient) const {
  const bool expired = why == NoReturn::expired;
  if (counts_ != nullptr) {
    counts_->return_recipient(expired ? Counts::ReturnResult::expired
                                      : Counts::ReturnResult::unknown);
  }
  if (log::enabled(log::Level::debug)) {
    log::debug(fmt::format("{} no return address: <{}>", client_.session,
                           printable(policy::to_string(recipient))));
  }
  if (why == NoReturn::elsewhere) {
    return make_reply(
        554, "5.7.1",
        fmt::format("relay access denied: mail for {} alone is taken here", domain_.domain));
  }
  return make_reply(
      550, "5.1.1",
      fmt::format("<{}>: {}", printable(policy::to_string(recipient), 300),
                  expired ? "this return address has expired" : "no such address here"));
}

}  // namespace postern::proxy
