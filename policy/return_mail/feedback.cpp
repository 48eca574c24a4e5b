#include "policy/return_mail/feedback.h"

#include "base/text.h"
#include "policy/return_mail/address_scan.h"
#include "policy/return_mail/delivery_status.h"
#include "policy/return_mail/reading.h"

#include <algorithm>
#include <array>

namespace postern::return_mail {
namespace {

// Whom the mail was sent to, as providers write it into what they send back.
constexpr std::array<std::string_view, 4> added_fields{
    "X-HmXmrOriginalRecipient", "X-Original-Rcpt-To", "X-Original-To", "Delivered-To"};

}  // namespace

Feedback parse_feedback(std::string_view text) {
  Feedback out;
  for (const Field& field : parse_message(text).header.fields) {
    const std::string value = field.unfolded();
    if (equal_nocase(field.name, "Feedback-Type")) {
      out.type = to_lower(value.substr(0, 40));
    } else if (equal_nocase(field.name, "Original-Rcpt-To") ||
               equal_nocase(field.name, "Removal-Recipient") ||
               equal_nocase(field.name, "Original-Recipient")) {
      const std::string address = address_of_field(value);
      out.redacted = out.redacted || address.empty() || is_redacted(address);
      const bool known = std::ranges::any_of(
          out.recipients, [&](const std::string& one) { return equal_nocase(one, address); });
      if (!address.empty() && !is_redacted(address) && !known &&
          out.recipients.size() < max_findings) {
        out.recipients.push_back(address);
      }
    } else if (equal_nocase(field.name, "Reporting-MTA")) {
      out.reporting_mta = host_of_field(value);
    } else if (equal_nocase(field.name, "Original-Message-ID")) {
      out.message_id = value.substr(0, max_field);
    }
  }
  return out;
}

std::string recipient_of_returned(const Header& returned) {
  for (const auto name : added_fields) {
    const std::string address = only_address(returned.value(name));
    if (!address.empty() && !is_redacted(address)) return address;
  }
  const std::string address = only_address(returned.value("To"));
  return is_redacted(address) ? std::string() : address;
}

bool is_bare_complaint(const Header& header, const Header& returned, std::string_view subject) {
  if (returned.find("X-HmXmrOriginalRecipient") != nullptr ||
      header.find("X-HmXmrOriginalRecipient") != nullptr) {
    return true;
  }
  const std::string from = to_lower(header.value("From"));
  return contains_nocase(subject, "complaint about message from") && !returned.fields.empty() &&
         !from.empty();
}

}  // namespace postern::return_mail
