// The fields of a delivery report: RFC 3464, RFC 6533; wherever they stand, since many reporters
// put them elsewhere than into a part of their type.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::return_mail {

// Of one recipient; empty: the field is absent, or its address is none (a pipe, a path, an X.400
// name).
struct RecipientFields {
  std::string original, final, actual;
  bool named = false;  // has a field of a recipient, whatever it names
  std::string action;  // lower case, the word alone
  std::string status;  // "5.1.1", without comment
  std::string diagnostic, remote_mta;
};

struct DeliveryStatus {
  std::string reporting_mta;
  std::vector<RecipientFields> recipients;  // at most max_findings
};

// Lines that are no field of a report are passed over.
[[nodiscard]] DeliveryStatus parse_delivery_status(std::string_view text);

// The host of "dns; mx.example.com (192.0.2.1)".
[[nodiscard]] std::string host_of_field(std::string_view value);

}  // namespace postern::return_mail
