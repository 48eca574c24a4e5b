// Return mail: bounces, delays, receipts, complaints, automatic replies and requests to be left
// alone, read from what their kinds have in common.
#pragma once

#include "policy/bounce.h"
#include "policy/classify/classifier.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::return_mail {

inline constexpr std::size_t max_read = 1U << 20U;   // octets of a message that are looked at
inline constexpr std::size_t max_findings = 1000;    // recipients of one mail
inline constexpr std::size_t max_field = 998;        // octets of an address, code or name
inline constexpr std::size_t max_diagnostic = 4096;  // octets
inline constexpr std::size_t max_returned_header = 64U << 10U;  // octets

// Of one recipient. UTF-8; a text that is empty: the mail does not say.
struct Finding {
  policy::ReturnType type = policy::ReturnType::unknown;
  std::optional<policy::BounceClass> bounce_class;  // of a bounce
  std::optional<policy::BounceReason> reason;       // of a bounce or a delay
  // As the sender knew it (RFC 3464 section 2.3.1); of an automatic reply and a request to be left
  // alone: who wrote it.
  std::string recipient;
  std::string final_recipient;  // where the mail names another
  std::string status;           // RFC 3463, "5.1.1"; never made up from a reply code
  std::string action;           // RFC 3464 section 2.3.3, lower case
  std::string diagnostic;       // what was said, codes and all; may be several lines
  std::string remote_mta;
};

struct Reading {
  policy::ReturnType type = policy::ReturnType::unknown;  // of the mail as a whole
  std::vector<Finding> findings;                          // none: the mail names nobody
  std::string reporting_mta;
  std::string message_id;     // of the returned message, with its brackets
  std::string feedback_type;  // RFC 5965 section 3.1, lower case
  std::string
      returned_header;  // header section of the returned message as it stands, with LF as line ends
  std::string subject;  // of this mail, decoded
};

// Parses at most the first max_read octets; never throws for what stands there; time and memory are
// linear in them.
[[nodiscard]] Reading read(std::string_view message, const classify::Classifier& classifier);

}  // namespace postern::return_mail
