// Requests of Postfix's policy delegation protocol (its SMTPD_POLICY_README): lines of name=value,
// ended by LF, and an empty line at the end of each request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postern::wire {

// What the gate reads of one; views into the input. Whatever was not said is empty, as Postfix has
// it: "name=" and no such line are one.
struct PolicyRequest {
  std::string_view protocol_state;  // "RCPT", "DATA", ...
  std::string_view sender;          // as Postfix keeps addresses: local part without quotes
  std::string_view recipient;       // likewise
  std::string_view sasl_username;
};

// Postfix sends some 30 attributes, the longest of them an address or a certificate's subject.
inline constexpr std::size_t max_policy_line = 8192;  // octets, without its LF
inline constexpr std::size_t max_policy_attributes = 128;
inline constexpr std::size_t max_policy_request = 32UL * 1024;  // octets, its empty line included

struct ParsedPolicyRequest {
  enum class State : std::uint8_t {
    incomplete,  // read on
    complete,    // `request`, and `consumed` octets of the input
    malformed,   // `fault` says why; what follows cannot be read either
  };
  State state = State::incomplete;
  PolicyRequest request;
  std::size_t consumed = 0;
  std::string_view fault;
};
// The first request in `input`. Malformed: a line without "=" or with an empty name, CR or NUL in
// one, a limit passed, no attributes at all, a request of another kind than smtpd_access_policy.
// Attributes with other names are passed over; of several with one name the last counts.
[[nodiscard]] ParsedPolicyRequest parse_policy_request(std::string_view input);

}  // namespace postern::wire
