// A message that a session relays: for the session's own source files.
#pragma once

#include "proxy/copies.h"
#include "proxy/session.h"
#include "proxy/wire/chunk.h"

#include <chrono>
#include <optional>
#include <string>

namespace postern::proxy {

// Between its 354, or its first chunk, and the answer to its end.
struct Session::Message {
  Message(Session& session, bool held)
      : Message(session, held, *session.dialogue_.transaction(), session.trace()) {}
  Message(Session& session, bool held, const Transaction& transaction, const std::string& trace)
      : Message(session, held, session.gatekeeper_.may_edit(*transaction.stream),
                transaction.returns.has_value(), trace) {}
  // The keys of links are asked for only where one may be made.
  Message(Session& session, bool held, bool linked, bool returns, const std::string& trace)
      : plan(*session.dialogue_.transaction(), *session.settings_->streams, session.gatekeeper_,
             linked ? session.links() : LinkMaking{}, linked || returns ? trace : std::string()),
        flow(trace,
             {.header = session.settings_->limits.header,
              .hops = session.settings_->limits.hops,
              .size = session.settings_->listener_limits.size,
              .normalize_lines = session.settings_->normalize_lines},
             session.settings_->campaign_header, linked || returns ? &plan : nullptr),
        data_held(held),
        arrived(session.context_.clock()) {
    if (held) digest.emplace();
  }
  DeliveryPlan plan;
  MessageFlow flow;
  bool data_held;  // the upstream was not asked for DATA yet
  std::optional<ContentDigest> digest;
  HeldMessage body;
  std::optional<wire::Reply> early;  // that came before the message's end, and answers it
  Time arrived;
  Dialogue::Ending ending;
  wire::ChunkStuffer stuffer{};  // where BDAT brings it
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
};

}  // namespace postern::proxy
