// BDAT in a session (RFC 3030): each chunk is taken as it comes, and the message that they make
// goes the way of one that DATA brings, stuffed. Nothing in a chunk can end it: its octets were
// counted before.
#include "base/log.h"
#include "proxy/session.h"
#include "proxy/session_message.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace postern::proxy {

using boost::asio::awaitable;
using wire::make_reply;

awaitable<bool> Session::relay_chunk(Plan::Chunk chunk, bool data_held) {
  if (!message_) message_ = std::make_unique<Message>(*this, data_held);
  const auto begun = std::chrono::steady_clock::now();
  relaying_ = true;
  for (std::uint64_t taken = 0; taken < chunk.octets;) {
    const auto octets = co_await next_of_chunk(taken, chunk.octets - taken, begun);
    if (!octets) {
      const auto message = std::exchange(message_, nullptr);
      co_await cut_short(*message, octets.error());
      co_return false;
    }
    taken += octets->size();
    std::string stuffed;
    message_->stuffer.take(*octets, stuffed);
    co_await take_stuffed(std::move(stuffed));
  }
  if (chunk.last) {
    std::string end;
    message_->stuffer.finish(end);
    co_await take_stuffed(std::move(end));
    const auto message = std::exchange(message_, nullptr);
    co_return co_await end_message(*message);
  }
  relaying_ = false;
  co_return co_await send(
      make_reply(250, "2.0.0", fmt::format("{} octets received", chunk.octets)).text);
}

// Of those `left`; what the client sent behind them stays where it is.
awaitable<Result<std::string>> Session::next_of_chunk(std::uint64_t taken, std::uint64_t left,
                                                      std::chrono::steady_clock::time_point begun) {
  if (!pending_.empty() && pending_.size() <= left) co_return std::exchange(pending_, {});
  if (!pending_.empty()) {
    auto octets = pending_.substr(0, left);
    pending_.erase(0, left);
    co_return octets;
  }
  const auto limit =
      std::min(patience(taken, begun, settings_->timeouts.data_block),
               patience(message_->flow.octets(), message_->begun, settings_->timeouts.command));
  const auto at_most = std::min<std::uint64_t>(left, context_.buffer.size());
  const auto got = co_await receive(limit, at_most);
  if (!got) co_return std::unexpected(got.error());
  co_return std::string(*got);
}

// When a message of which not all chunks came is given up: its pauses, all together, may last as
// long as that for one command. An upstream waits meanwhile, so a chunk or NOOP now and then does
// not keep it.
std::chrono::steady_clock::time_point Session::chunks_until() const {
  if (!message_) return std::chrono::steady_clock::time_point::max();
  return message_->begun + settings_->timeouts.command + earned(message_->flow.octets());
}

// What the upstream takes for it is no pause of the client's.
awaitable<void> Session::take_stuffed(std::string octets) {
  const auto before = std::chrono::steady_clock::now();
  const auto output = message_->flow.feed(octets);
  co_await take_output(*message_, octets, output);
  message_->begun += std::chrono::steady_clock::now() - before;
}

// Between its chunks.
void Session::give_up_message() {
  if (!message_) return;
  const auto message = std::exchange(message_, nullptr);
  log::info(fmt::format("{} message given up between its chunks: {} octets", id_,
                        message->flow.octets()));
  // Where DATA went upstream, only closing ends that without a message.
  if (!message->plan.holds() && !message->data_held) upstream_.drop();
}

}  // namespace postern::proxy
