// Return mail, whole: whatever comes, what is said of it is bounded, is text, and stands in it.
#include "policy/return_mail/address_scan.h"
#include "policy/return_mail/charset.h"
#include "policy/return_mail/delivery_status.h"
#include "policy/return_mail/evidence.h"
#include "policy/return_mail/html.h"
#include "policy/return_mail/mime.h"
#include "policy/return_mail/reading.h"
#include "policy/return_mail/status.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace return_mail = postern::return_mail;
namespace classify = postern::classify;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const return_mail::Finding& finding) {
  for (const std::string& text :
       {finding.recipient, finding.final_recipient, finding.status, finding.remote_mta}) {
    require(text.size() <= return_mail::max_field);
    require(return_mail::is_utf8(text));
  }
  require(finding.diagnostic.size() <= return_mail::max_diagnostic);
  require(return_mail::is_utf8(finding.diagnostic));
  // An address, or nothing.
  require(finding.recipient.empty() || finding.recipient.contains('@'));
  require(finding.status.empty() || return_mail::find_status(finding.status) == finding.status);
  using postern::policy::ReturnType;
  require(finding.bounce_class.has_value() == (finding.type == ReturnType::bounce));
  require(finding.reason.has_value() ==
          (finding.type == ReturnType::bounce || finding.type == ReturnType::delayed));
}

// Encodings aside, a code that is told stands in the mail.
void check_codes(const return_mail::Reading& reading, std::string_view input) {
  for (const std::string_view word :
       {"=", "base64", "BASE64", "Base64", "\x1b", "&#", "utf", "UTF", "charset"}) {
    if (input.contains(word)) return;
  }
  for (const auto& finding : reading.findings) {
    std::string plain;
    for (const char c : input) {
      if (c != '\0') plain += c;
    }
    require(plain.contains(finding.status));
  }
}

// The address finder: spots in order, each with an "@" inside.
void check_spots(std::string_view text) {
  std::size_t from = 0;
  while (const auto spot = return_mail::next_address(text, from)) {
    require(spot->begin >= from && spot->end > spot->begin && spot->end <= text.size());
    require(text.substr(spot->begin, spot->end - spot->begin).contains('@'));
    from = spot->end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto reading = return_mail::read(input, classify::Classifier::built_in());
  require(reading.findings.size() <= return_mail::max_findings);
  require(reading.returned_header.size() <= return_mail::max_returned_header);
  require(return_mail::is_utf8(reading.subject));
  for (const auto& finding : reading.findings) check(finding);
  check_codes(reading, input);
  check_spots(input);
  require(return_mail::split_parts(return_mail::parse_message(input)).size() <=
          return_mail::max_parts);
  static_cast<void>(return_mail::html_to_text(input));
  static_cast<void>(return_mail::parse_delivery_status(input));
  return 0;
}
