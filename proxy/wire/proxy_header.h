// The header in which a load balancer says whom it speaks for: the PROXY protocol, versions 1 and 2
// (haproxy's proxy-protocol.txt, sections 2.1 and 2.2). Octets in, an address out.
#pragma once

#include "base/network.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::wire {

// Of version 1, the CRLF included (section 2.1).
inline constexpr std::size_t longest_proxy_line = 107;
// Of version 2, addresses and TLVs together: what is in use takes a tenth of it.
inline constexpr std::size_t longest_proxy_block = 4096;

class ProxyHeader {
 public:
  // So many more octets belong to the header for certain: what stands behind it (TLS, a client's
  // first command) is never asked for. 0 once it is whole, or none.
  [[nodiscard]] std::size_t wanted() const { return fault_.empty() ? wanted_ : 0; }
  // At most wanted() octets, however they are cut.
  void take(std::string_view octets);

  // Why it is no header; empty as long as it may be one. One that is no header is known by its
  // first octet that does not fit.
  [[nodiscard]] std::string_view fault() const { return fault_; }
  // Of the client, once it is whole; none where the connection is the load balancer's own (LOCAL),
  // or its client has no IP address (UNKNOWN, AF_UNSPEC, AF_UNIX).
  [[nodiscard]] const std::optional<IpAddress>& client() const { return client_; }

 private:
  void recognise();
  void take_line();
  void take_fixed();
  void take_block();
  void read_line(std::string_view line);

  enum class Form : std::uint8_t { unknown, line, fixed, block };
  Form form_ = Form::unknown;
  std::size_t wanted_ = 12;  // version 2's signature; version 1 has no header shorter than 15
  std::string seen_;
  std::string_view fault_;
  std::optional<IpAddress> client_;
};

}  // namespace postern::wire
