#include "proxy/policy_session.h"

#include "base/log.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace postern::proxy {

using boost::asio::awaitable;

namespace {

// Longer than Postfix keeps a connection (smtpd_policy_service_max_ttl: 1000 s), so that no request
// meets one that we have just closed.
constexpr std::chrono::minutes longest_idle{20};
// Bounds the answers that wait to be written.
constexpr std::size_t read_at_once = 64UL * 1024;

}  // namespace

PolicySession::PolicySession(std::string id, std::unique_ptr<Stream> client, IpAddress peer,
                             SessionContext context,
                             std::shared_ptr<const SessionSettings> settings)
    : id_(std::move(id)),
      client_(std::move(client)),
      peer_(peer),
      context_(context),
      settings_(std::move(settings)),
      check_(RecipientLookup(id_, context_.contacts, context_.findings, settings_->streams,
                             context_.clock, settings_->counts.get()),
             settings_->listener, context_.traffic) {}

void PolicySession::drain() {
  draining_ = true;
  if (waiting_) client_->cancel();
}

awaitable<void> PolicySession::run() {
  bool open = contains(settings_->trusted, peer_);
  if (!open) {
    log::warning(fmt::format("{} policy requests from {}, which is not in trusted of listener {}",
                             id_, to_string(peer_), settings_->listener));
  }
  while (open && !draining_) open = co_await wait() && co_await answer();
  if (open) co_await answer();
  client_->close();
}

// Until there is something to read, or nothing will come: then false.
awaitable<bool> PolicySession::wait() {
  const std::chrono::milliseconds command = settings_->timeouts.command;
  waiting_ = true;
  const auto ready = co_await client_->wait_readable(
      pending_.empty() ? std::max<std::chrono::milliseconds>(command, longest_idle) : command);
  waiting_ = false;
  if (!ready && ready.error().code == Errc::timeout && !pending_.empty()) {
    log::warning(fmt::format("{} policy request that does not end", id_));
  }
  co_return ready || draining_;
}

awaitable<bool> PolicySession::answer() {
  const auto got =
      client_->read_now(context_.buffer.first(std::min(read_at_once, context_.buffer.size())));
  if (!got) co_return false;
  std::string answers;
  const bool open = take({context_.buffer.data(), *got}, answers);
  if (answers.empty()) co_return open;
  const auto sent = co_await write_all(*client_, answers, settings_->timeouts.command);
  if (!sent) log::info(fmt::format("{} policy client: {}", id_, sent.error().text));
  co_return open&& sent;
}

// False where the peer speaks another protocol.
bool PolicySession::take(std::string_view octets, std::string& answers) {
  const bool direct = pending_.empty();
  if (!direct) pending_ += octets;
  std::string_view input = direct ? octets : std::string_view(pending_);
  const auto before = input.size();
  // A request that comes an octet at a time is looked at once a line.
  const bool worth_reading = octets.contains('\n') || before >= wire::max_policy_request;
  while (worth_reading && !input.empty()) {
    const auto parsed = wire::parse_policy_request(input);
    if (parsed.state == wire::ParsedPolicyRequest::State::incomplete) break;
    if (parsed.state == wire::ParsedPolicyRequest::State::malformed) {
      log::warning(fmt::format("{} no policy request: {}", id_, parsed.fault));
      return false;
    }
    check_.answer(parsed.request, answers);
    input.remove_prefix(parsed.consumed);
  }
  if (direct) {
    pending_ = input;
  } else {
    pending_.erase(0, before - input.size());
  }
  if (pending_.empty()) pending_.shrink_to_fit();
  return true;
}

}  // namespace postern::proxy
