// Opens connections to one upstream: to the addresses of its name, then to those of its fallbacks,
// until one serves. An address that failed is tried last for a while. One for each pool; its thread
// alone uses it.
#pragma once

#include "base/config.h"
#include "base/network.h"
#include "base/result.h"
#include "proxy/deadlines.h"
#include "proxy/upstream.h"

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace postern::proxy {

// The addresses of a thread that failed within the last half a minute.
class FailedAddresses {
 public:
  using Clock = std::chrono::steady_clock;
  using Address = boost::asio::ip::tcp::endpoint;

  void note(const Address& address, Clock::time_point now);
  void forget(const Address& address) { failed_.erase(address); }
  [[nodiscard]] bool contains(const Address& address, Clock::time_point now) const;

 private:
  std::map<Address, Clock::time_point> failed_;  // until when
};

struct ConnectorSettings {
  std::vector<Endpoint> endpoints;  // the upstream's, then its fallbacks
  // Where `server_name` is empty, a certificate has to be for the host that was connected to.
  UpstreamSettings open;
  TimeoutConfig timeouts;
};

// What the configuration says of an upstream; its certification authorities are read now. Errors of
// certs/client_context.h.
[[nodiscard]] Result<ConnectorSettings> connector_settings(const UpstreamConfig& upstream,
                                                           const std::string& hostname,
                                                           const TimeoutConfig& timeouts);

class Connector {
 public:
  Connector(ConnectorSettings settings, Deadlines& deadlines, FailedAddresses& failed)
      : settings_(std::move(settings)), deadlines_(deadlines), failed_(failed) {}

  // An upstream that was greeted by; else the error of the last address, which it names. Addresses
  // share twice timeouts.connect: one that is silent does not use up the time of the others. The
  // last one, or the only one, is waited for as long as the timeouts say.
  [[nodiscard]] boost::asio::awaitable<Result<std::unique_ptr<Upstream>>> connect();

 private:
  using Address = boost::asio::ip::tcp::endpoint;
  using Clock = std::chrono::steady_clock;
  struct Candidate {
    const Endpoint* endpoint;
    Address address;
  };
  struct Search;

  [[nodiscard]] std::chrono::milliseconds share(const Search& search) const;
  [[nodiscard]] boost::asio::awaitable<void> try_all(Search& search, const Endpoint& endpoint);
  [[nodiscard]] boost::asio::awaitable<void> try_one(Search& search, Candidate candidate);
  [[nodiscard]] boost::asio::awaitable<Result<std::unique_ptr<Upstream>>> open(
      Candidate candidate, std::chrono::milliseconds to_connect,
      std::optional<std::chrono::milliseconds> to_open);
  [[nodiscard]] std::string text_of(const Candidate& candidate, const Error& error) const;

  ConnectorSettings settings_;
  Deadlines& deadlines_;
  FailedAddresses& failed_;
};

}  // namespace postern::proxy
