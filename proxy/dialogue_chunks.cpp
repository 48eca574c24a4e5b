// BDAT in a dialogue (RFC 3030). Upstream a message goes by DATA all the same, whether CHUNKING is
// offered there or not: header edits, splitting, scanning and limits then have one path for every
// message, and one that is cut short is seen to be, for its end never came.
#include "proxy/dialogue.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace postern::proxy {

using wire::make_reply;
using wire::Reply;

namespace {

// Of a message in chunks, where EHLO names no limit.
constexpr std::uint64_t longest_chunked = 1ULL << 30U;

}  // namespace

// The reply where the chunk is not taken, whatever the upstream would say.
std::optional<Reply> Dialogue::unfit_chunk(const wire::Command& command, Plan& plan) const {
  const auto limit = told_.size_limit != 0 ? told_.size_limit : longest_chunked;
  const auto before = transaction_ ? transaction_->chunk_octets : 0;
  if (!command.chunk || *command.chunk > limit - std::min(limit, before)) {
    plan.ends_session = true;
    if (!command.chunk) return unreadable_chunk();
    return make_reply(421, "4.3.4",
                      fmt::format("message size exceeds the limit of {} octets", limit));
  }
  if (command.error) return command.error;
  if (!rules_.chunking) return make_reply(502, "5.5.1", "command not implemented");
  if (!extended_) return make_reply(503, "5.5.1", "send EHLO first");
  if (!transaction_) return make_reply(503, "5.5.1", "need MAIL and RCPT before BDAT");
  return std::nullopt;
}

Reply Dialogue::unreadable_chunk() {
  return make_reply(421, "4.5.4", "nobody knows how many octets follow this: BDAT octets [LAST]");
}

std::optional<Reply> Dialogue::bdat(const wire::Command& command, Plan& plan) {
  if (auto unfit = unfit_chunk(command, plan)) return unfit;
  if (!transaction_->in_chunks) {
    if (auto refused = ask_for_data(plan)) return refused;
  }
  transaction_->chunk_octets += *command.chunk;
  plan.chunk = {.octets = *command.chunk, .last = command.last};
  return std::nullopt;
}

// What was announced is data all the same, and the reply comes behind it. No message may be made of
// the chunks around it (RFC 3030 section 2: RSET is all that can follow).
void Dialogue::refuse_chunk(std::uint64_t octets, Reply reply) {
  octets_to_drop_ = octets;
  chunk_refusal_ = std::move(reply);
}

// False where more octets have to come first.
bool Dialogue::drop_chunk(std::string_view& input, Plan& plan) {
  const auto count = std::min<std::uint64_t>(octets_to_drop_, input.size());
  input.remove_prefix(count);
  octets_to_drop_ -= count;
  if (octets_to_drop_ > 0) return false;
  add(plan, std::exchange(chunk_refusal_, std::nullopt));
  return true;
}

// Its reply is not said yet: where it was taken that is the session's, otherwise its octets come
// first. A 354 is the gate's to know.
void Dialogue::settle_chunk(Plan& plan, Settled& settled) {
  auto& transaction = *transaction_;
  settled.go_ahead |= transaction.in_chunks;
  transaction.in_chunks = settled.go_ahead;
  if (!settled.go_ahead) refuse_chunk(plan.chunk->octets, std::move(plan.replies.back()));
  plan.replies.pop_back();
}

}  // namespace postern::proxy
