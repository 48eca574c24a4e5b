#include "base/network.h"

#include "base/text.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <optional>

#include <fmt/format.h>

namespace postern {
namespace {

constexpr std::size_t max_host_name = 253;
constexpr std::size_t max_label = 63;
constexpr int mapped_prefix = 96;  // ::ffff:0:0/96

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) {
  return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= max_label && label.front() != '-' &&
         label.back() != '-' &&
         std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number number{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || rest != text.data() + text.size()) return std::nullopt;
  return number;
}

// inet_pton wants a terminated string, and would stop at a NUL that the text holds.
template <int Family, std::size_t Size>
std::optional<std::array<std::uint8_t, Size>> parse_numeric(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::ranges::copy(text, terminated.begin());
  std::array<std::uint8_t, Size> octets{};
  if (inet_pton(Family, terminated.data(), octets.data()) != 1) return std::nullopt;
  return octets;
}

std::optional<IpAddress> parse_v4(std::string_view text) {
  const auto octets = parse_numeric<AF_INET, 4>(text);
  if (!octets) return std::nullopt;
  IpAddress mapped;
  mapped.octets[10] = mapped.octets[11] = 0xff;
  std::ranges::copy(*octets, mapped.octets.begin() + 12);
  return mapped;
}

std::optional<IpAddress> parse_v6(std::string_view text) {
  const auto octets = parse_numeric<AF_INET6, 16>(text);
  if (!octets) return std::nullopt;
  return IpAddress{*octets};
}

// Both equal in their first `prefix` bits.
bool same_prefix(const IpAddress& a, const IpAddress& b, int prefix) {
  const auto whole = static_cast<std::size_t>(prefix / 8);
  if (std::memcmp(a.octets.data(), b.octets.data(), whole) != 0) return false;
  const int bits = prefix % 8;
  return bits == 0 || ((a.octets[whole] ^ b.octets[whole]) >> (8 - bits)) == 0;
}

IpAddress without_host_bits(IpAddress ip, int prefix) {
  for (int bit = prefix; bit < 128; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80U >> static_cast<unsigned>(bit % 8));
    auto& octet = ip.octets[static_cast<std::size_t>(bit / 8)];
    octet = static_cast<std::uint8_t>(octet & ~mask);
  }
  return ip;
}

std::unexpected<Error> no_endpoint(std::string_view text, std::string_view why) {
  return fail(Errc::invalid, fmt::format("'{}' is no address with a port ({}): write 127.0.0.1:25, "
                                         "[::1]:25 or mail.example.com:25",
                                         printable(text, 80), why));
}

}  // namespace

bool is_loopback(const Endpoint& endpoint) {
  if (equal_nocase(endpoint.host, "localhost")) return true;
  const auto ip = parse_ip(endpoint.host);
  return ip && std::ranges::any_of(loopback_networks(),
                                   [&](const auto& network) { return network.contains(*ip); });
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > max_host_name) return false;
  std::string_view rest = text;
  std::string_view label;
  while (true) {
    const auto dot = rest.find('.');
    label = rest.substr(0, dot);
    if (!is_label(label)) return false;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  // All digits at the end: a mistyped IPv4 address, never a name (RFC 3696 section 2).
  return !std::ranges::all_of(label, is_digit);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return no_endpoint(text, "the port is missing");
  std::string_view host = text.substr(0, colon);
  const auto port = whole_number<std::uint16_t>(text.substr(colon + 1));
  if (!port) return no_endpoint(text, "the port is a number from 0 to 65535");
  if (host.empty()) return no_endpoint(text, "the address is missing");

  if (host.front() == '[') {
    if (host.back() != ']') return no_endpoint(text, "the bracket is not closed");
    host = host.substr(1, host.size() - 2);
    if (!parse_v6(host)) return no_endpoint(text, "only an IPv6 address stands in brackets");
  } else if (parse_v6(host)) {
    return no_endpoint(text, "an IPv6 address stands in brackets");
  } else if (!parse_v4(host) && !is_host_name(host)) {
    return no_endpoint(text, "neither an IP address nor a host name");
  }
  return Endpoint{std::string(host), *port};
}

std::string to_string(const Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", endpoint.host, endpoint.port)
            : fmt::format("{}:{}", endpoint.host, endpoint.port);
}

Result<IpAddress> parse_ip(std::string_view text) {
  if (const auto v4 = parse_v4(text)) return *v4;
  if (const auto v6 = parse_v6(text)) return *v6;
  return fail(Errc::invalid, fmt::format("'{}' is no IP address", printable(text, 80)));
}

bool Network::contains(const IpAddress& ip) const { return same_prefix(address, ip, prefix); }

Result<Network> parse_network(std::string_view text) {
  const auto slash = text.find('/');
  const auto host = text.substr(0, slash);
  const auto v4 = parse_v4(host);
  const auto ip = v4 ? v4 : parse_v6(host);
  if (!ip) {
    return fail(Errc::invalid,
                fmt::format("'{}' is no network: write 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32",
                            printable(text, 80)));
  }
  const int offset = v4 ? mapped_prefix : 0;
  if (slash == std::string_view::npos) return Network{*ip, 128};

  const auto prefix = whole_number<int>(text.substr(slash + 1));
  if (!prefix || *prefix < 0 || *prefix > 128 - offset) {
    return fail(Errc::invalid,
                fmt::format("'{}' is no network: what follows the slash is a number from 0 to {}",
                            printable(text, 80), 128 - offset));
  }
  const Network network{*ip, *prefix + offset};
  if (without_host_bits(*ip, network.prefix) != *ip) {
    return fail(
        Errc::invalid,
        fmt::format("'{}' is no network: bits are set after the first {}; leave the slash out "
                    "for one address",
                    printable(text, 80), *prefix));
  }
  return network;
}

std::vector<Network> loopback_networks() {
  IpAddress v4;
  v4.octets = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 0};
  IpAddress v6;
  v6.octets[15] = 1;
  return {{v4, mapped_prefix + 8}, {v6, 128}};
}

std::string to_string(const IpAddress& ip) {
  static constexpr Network mapped{.address = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}},
                                  .prefix = mapped_prefix};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (mapped.contains(ip)) {
    inet_ntop(AF_INET, ip.octets.data() + 12, text.data(), text.size());
  } else {
    inet_ntop(AF_INET6, ip.octets.data(), text.data(), text.size());
  }
  return text.data();
}

bool contains(std::span<const Network> networks, const IpAddress& address) {
  return std::ranges::any_of(networks,
                             [&](const Network& network) { return network.contains(address); });
}

}  // namespace postern
