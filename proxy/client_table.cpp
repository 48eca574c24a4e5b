#include "proxy/client_table.h"

#include "base/text.h"

#include <algorithm>

#include <fmt/format.h>

namespace postern::proxy {
namespace {

IpAddress network_of(IpAddress address) {
  static const Network v4{.address = parse_ip("0.0.0.0").value(), .prefix = 96};
  if (!v4.contains(address)) std::ranges::fill(std::span(address.octets).last(8), std::uint8_t{0});
  return address;
}

void take_one(auto& counts, const auto& key) {
  const auto found = counts.find(key);
  if (--found->second == 0) counts.erase(found);
}

}  // namespace

std::expected<ClientTable::Place, ClientTable::Full> ClientTable::enter(std::size_t listener,
                                                                        const IpAddress& address,
                                                                        const Limits& limits) {
  const Place::Key key{listener, network_of(address)};
  const std::scoped_lock lock(mutex_);
  const auto has = [](const auto& counts, const auto& of) {
    const auto found = counts.find(of);
    return found == counts.end() ? 0 : found->second;
  };
  if (limits.connections != 0 && has(listeners_, listener) >= limits.connections) {
    return std::unexpected(Full::listener);
  }
  if (limits.connections_per_address != 0 &&
      has(addresses_, key) >= limits.connections_per_address) {
    return std::unexpected(Full::address);
  }
  ++listeners_[listener];
  ++addresses_[key];
  return Place(*this, key);
}

void ClientTable::leave(const Place::Key& key) {
  const std::scoped_lock lock(mutex_);
  take_one(listeners_, key.first);
  take_one(addresses_, key);
}

bool ClientTable::may_send(std::size_t listener, std::string_view login, const IpAddress& address,
                           std::uint32_t per_minute, std::chrono::steady_clock::time_point now) {
  if (per_minute == 0) return true;
  // No address begins as a login does here.
  const auto key = login.empty() ? fmt::format("{} {}", listener, to_string(network_of(address)))
                                 : fmt::format("{}@{}", listener, to_lower(login));
  const std::scoped_lock lock(mutex_);
  return rates_.take(key, per_minute, now);
}

}  // namespace postern::proxy
