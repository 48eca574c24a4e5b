// Requests of Postfix's policy protocol: however they are cut, the same request or none, and one
// that was read is read again from its own attributes.
#include "proxy/wire/policy_request.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace wire = postern::wire;
using State = wire::ParsedPolicyRequest::State;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool same(const wire::PolicyRequest& a, const wire::PolicyRequest& b) {
  return a.protocol_state == b.protocol_state && a.sender == b.sender &&
         a.recipient == b.recipient && a.sasl_username == b.sasl_username;
}

void check_complete(const wire::ParsedPolicyRequest& parsed, std::string_view input) {
  require(parsed.consumed <= input.size() && parsed.consumed <= wire::max_policy_request);
  require(input.substr(0, parsed.consumed).ends_with("\n\n"));
  std::string again = "request=smtpd_access_policy\n";
  for (const auto& [name, value] : {std::pair{"protocol_state=", parsed.request.protocol_state},
                                    {"sender=", parsed.request.sender},
                                    {"recipient=", parsed.request.recipient},
                                    {"sasl_username=", parsed.request.sasl_username}}) {
    require(value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos);
    again.append(name).append(value).append("\n");
  }
  const auto reread = wire::parse_policy_request(again + "\n");
  require(reread.state == State::complete && reread.consumed == again.size() + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto whole = wire::parse_policy_request(input);
  require((whole.state == State::malformed) == !whole.fault.empty());
  if (whole.state == State::complete) check_complete(whole, input);
  const std::size_t step = 1 + size / 256;
  for (std::size_t cut = 0; cut < size; cut += step) {
    const auto part = wire::parse_policy_request(input.substr(0, cut));
    if (whole.state == State::complete && cut < whole.consumed) {
      require(part.state == State::incomplete);
    }
    if (part.state == State::incomplete) continue;
    require(part.state == whole.state && part.fault == whole.fault &&
            part.consumed == whole.consumed && same(part.request, whole.request));
  }
  return 0;
}
