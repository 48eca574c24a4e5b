#include "proxy/wire/policy_request.h"

namespace postern::wire {

namespace {

using Parsed = ParsedPolicyRequest;

Parsed malformed(std::string_view fault) {
  return {.state = Parsed::State::malformed, .request = {}, .consumed = 0, .fault = fault};
}

struct Reading {
  PolicyRequest request;
  std::string_view kind;  // of request=

  void keep(std::string_view name, std::string_view value) {
    if (name == "request") {
      kind = value;
    } else if (name == "protocol_state") {
      request.protocol_state = value;
    } else if (name == "sender") {
      request.sender = value;
    } else if (name == "recipient") {
      request.recipient = value;
    } else if (name == "sasl_username") {
      request.sasl_username = value;
    }
  }
};

constexpr std::string_view line_too_long = "a line is too long";
constexpr std::string_view request_too_long = "it is too long";

// The answer to input that ends before the request does.
Parsed unfinished(std::string_view input, std::size_t line) {
  if (input.size() - line > max_policy_line) return malformed(line_too_long);
  if (input.size() >= max_policy_request) return malformed(request_too_long);
  return {};
}

}  // namespace

Parsed parse_policy_request(std::string_view input) {
  constexpr std::string_view only_kind = "smtpd_access_policy";
  Reading reading;
  std::size_t attributes = 0;
  for (std::size_t at = 0;;) {
    const auto end = input.substr(0, max_policy_request).find('\n', at);
    if (end == input.npos) return unfinished(input.substr(0, max_policy_request), at);
    const auto line = input.substr(at, end - at);
    at = end + 1;
    if (line.empty()) {
      if (reading.kind != only_kind) return malformed("it is no request=smtpd_access_policy");
      return {.state = Parsed::State::complete,
              .request = reading.request,
              .consumed = at,
              .fault = {}};
    }
    if (line.size() > max_policy_line) return malformed(line_too_long);
    if (++attributes > max_policy_attributes) return malformed("it has too many attributes");
    if (line.find_first_of(std::string_view("\r\0", 2)) != line.npos) {
      return malformed("a line holds CR or NUL");
    }
    const auto equals = line.find('=');
    if (equals == 0 || equals == line.npos) return malformed("a line is no name=value");
    reading.keep(line.substr(0, equals), line.substr(equals + 1));
  }
}

}  // namespace postern::wire
