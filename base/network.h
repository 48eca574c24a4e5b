// Addresses of the network as configuration has them: endpoints and networks. No socket is opened,
// no name resolved.
#pragma once

#include "base/result.h"

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern {

// "127.0.0.1:25", "[::1]:25", "mail.example.com:25". Port 0: the kernel chooses (listeners only).
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

// An IP address as 16 octets; IPv4 is mapped (::ffff:0:0/96), so that a v4 client of a v6 socket is
// still itself.
struct IpAddress {
  std::array<std::uint8_t, 16> octets{};
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};
[[nodiscard]] Result<IpAddress> parse_ip(std::string_view text);
[[nodiscard]] std::string to_string(const IpAddress& ip);

// "10.0.0.0/8", "::1", "192.0.2.7". Host bits that are set are an error: "10.0.0.5/8" is a slip.
struct Network {
  IpAddress address;
  int prefix = 128;  // of the 128 bits
  [[nodiscard]] bool contains(const IpAddress& ip) const;
  friend auto operator<=>(const Network&, const Network&) = default;
};
[[nodiscard]] Result<Network> parse_network(std::string_view text);
// 127.0.0.0/8 and ::1.
[[nodiscard]] std::vector<Network> loopback_networks();
// The host is an address of those, or "localhost".
[[nodiscard]] bool is_loopback(const Endpoint& endpoint);

// A name as RFC 1123 section 2.1 has them, of one label or more; no final dot, and nothing that is
// meant as an IPv4 address.
[[nodiscard]] bool is_host_name(std::string_view text);

// Of any of them.
[[nodiscard]] bool contains(std::span<const Network> networks, const IpAddress& address);

}  // namespace postern
