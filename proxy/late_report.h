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
  std::string_view section;  // the message's header section, dot-stuffed
  bool whole = false;        // RET=FULL: the body goes along
  bool ascii = false;        // the upstream takes nothing else: other octets become "?"
  Time arrived{};
  Time now{};
};

// NOTIFY of the recipient lets a failure be reported: FAILURE, or nothing said (RFC 3461 section
// 4.1).
[[nodiscard]] bool wants_failure(const Recipient& recipient);

// The report, dot-stuffed, with its final dot. With `whole` the message's body, dot-stuffed and
// without its final dot, goes between the two.
struct ReportText {
  std::string front;
  std::string end;
};
[[nodiscard]] ReportText late_report(const LateReport& report,
                                     std::span<const LateRefusal> refused);

}  // namespace postern::proxy
