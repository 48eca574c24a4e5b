// The report on recipients that were refused after their RCPT had been accepted, while others got
// the message: as mail reports it (RFC 3461 section 6, 3462, 3464), from <> to the reverse-path.
#pragma once

#include "base/time.h"
#include "proxy/dialogue.h"
#include "proxy/wire/reply.h"

#include <span>
#include <string>
#include <string_view>

namespace postern::proxy {

struct LateRefusal {
  const Recipient* recipient = nullptr;
  wire::Reply reply;
};

struct LateReport {
  std::string_view hostname;
  std::string_view id;  // of the session and message: part of the Message-ID
  const policy::Mailbox* reverse_path = nullptr;
  std::string_view envid;    // xtext, as it came; empty: none
  std::string_view section;  // the message's header section, dot-stuffed, which goes with it
  Time arrived{};
  Time now{};
};

// NOTIFY of the recipient lets a failure be reported: FAILURE, or nothing said (RFC 3461 section
// 4.1).
[[nodiscard]] bool wants_failure(const Recipient& recipient);

// The message, dot-stuffed, with its final dot. Of the message itself its header section goes along
// (RET=HDRS; with RET=FULL too: whoever wants all of it has it).
[[nodiscard]] std::string late_report(const LateReport& report,
                                      std::span<const LateRefusal> refused);

}  // namespace postern::proxy
