// Complaints: RFC 5965 and 6650, and those of providers that send the mail back with less than a
// report.
#pragma once

#include "policy/return_mail/header.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::return_mail {

struct Feedback {
  std::string type;  // "abuse", lower case; empty: not said
  std::vector<std::string> recipients;
  std::string reporting_mta, message_id;
  bool redacted = false;  // a recipient is named, but put out
};

// Fields of a part message/feedback-report.
[[nodiscard]] Feedback parse_feedback(std::string_view text);

// The recipient from the returned message's header, where the provider wrote it down or one alone
// is addressed; empty: nobody is named for certain.
[[nodiscard]] std::string recipient_of_returned(const Header& returned);

// A complaint without a report: the mail of a provider's feedback loop that holds no more than the
// returned message.
[[nodiscard]] bool is_bare_complaint(const Header& header, const Header& returned,
                                     std::string_view subject);

}  // namespace postern::return_mail
