#include "proxy/connector.h"

#include "certs/client_context.h"
#include "proxy/listener.h"
#include "proxy/resolver.h"
#include "proxy/socket_stream.h"

#include <algorithm>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace postern::proxy {

namespace asio = boost::asio;
using asio::awaitable;
using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds tried_last{30};
constexpr std::size_t most_failed = 256;
constexpr milliseconds least_share{3000};
// Of one search; a name with more has some that are not needed.
constexpr std::size_t most_addresses = 32;

// An opening that is to be over as a whole, however its octets trickle.
class Opening final : private Deadline {
 public:
  Opening(Upstream& upstream, Deadlines& deadlines, std::optional<milliseconds> limit)
      : Deadline(deadlines), upstream_(upstream) {
    if (limit) arm(*limit);
  }
  [[nodiscard]] bool timed_out() const { return timed_out_; }

 private:
  void on_deadline() override {
    timed_out_ = true;
    upstream_.cancel();
  }
  Upstream& upstream_;
  bool timed_out_ = false;
};

}  // namespace

Result<ConnectorSettings> connector_settings(const UpstreamConfig& upstream,
                                             const std::string& hostname,
                                             const TimeoutConfig& timeouts) {
  ConnectorSettings settings{.endpoints = {upstream.address},
                             .open = {.hostname = hostname,
                                      .tls = upstream.tls,
                                      .tls_mode = upstream.tls_mode,
                                      .server_name = upstream.tls_name},
                             .timeouts = timeouts};
  settings.endpoints.insert(settings.endpoints.end(), upstream.fallback.begin(),
                            upstream.fallback.end());
  if (upstream.tls == UpstreamConfig::Tls::off) return settings;
  auto context = upstream.tls == UpstreamConfig::Tls::verify ? certs::verifying_context(upstream.ca)
                                                             : certs::opportunistic_context();
  if (!context) {
    return fail(context.error().code,
                fmt::format("upstream {}: {}", to_string(upstream.address), context.error().text));
  }
  settings.open.context = *std::move(context);
  return settings;
}

void FailedAddresses::note(const Address& address, Clock::time_point now) {
  std::erase_if(failed_, [now](const auto& entry) { return entry.second <= now; });
  if (failed_.size() < most_failed) failed_[address] = now + tried_last;
}

bool FailedAddresses::contains(const Address& address, Clock::time_point now) const {
  const auto found = failed_.find(address);
  return found != failed_.end() && found->second > now;
}

// What one call of connect() has come to.
struct Connector::Search {
  Clock::time_point until;
  std::vector<Address> tried{};
  std::vector<Candidate> later{};  // that failed a while ago
  std::size_t ahead = 0;           // addresses, and names not resolved yet, that may come after
  std::unique_ptr<Upstream> found{};
  Error last{Errc::io, "no address"};
};

awaitable<Result<std::unique_ptr<Upstream>>> Connector::connect() {
  Search search{.until = Clock::now() + 2 * settings_.timeouts.connect};
  std::size_t names = settings_.endpoints.size();
  for (const auto& endpoint : settings_.endpoints) {
    search.ahead = --names + search.later.size();
    co_await try_all(search, endpoint);
    if (search.found) co_return std::move(search.found);
  }
  search.ahead = search.later.size();
  for (const auto& candidate : std::exchange(search.later, {})) {
    --search.ahead;
    co_await try_one(search, candidate);
    if (search.found) co_return std::move(search.found);
  }
  co_return std::unexpected(std::move(search.last));
}

milliseconds Connector::share(const Search& search) const {
  const auto left = std::chrono::duration_cast<milliseconds>(search.until - Clock::now());
  const auto equal = left / static_cast<milliseconds::rep>(search.ahead + 1);
  return std::min(std::max(equal, least_share), settings_.timeouts.connect);
}

awaitable<void> Connector::try_all(Search& search, const Endpoint& endpoint) {
  const auto addresses = co_await resolve(endpoint, deadlines_, share(search));
  if (!addresses) {
    search.last = addresses.error();
    co_return;
  }
  std::vector<Candidate> now;
  for (const auto& address : *addresses) {
    if (search.tried.size() == most_addresses) break;
    if (std::ranges::find(search.tried, address) != search.tried.end()) continue;
    search.tried.push_back(address);
    const bool failed = failed_.contains(address, Clock::now());
    (failed ? search.later : now).push_back({&endpoint, address});
    ++search.ahead;
  }
  for (const auto& candidate : now) {
    --search.ahead;
    co_await try_one(search, candidate);
    if (search.found) co_return;
  }
}

awaitable<void> Connector::try_one(Search& search, Candidate candidate) {
  if (Clock::now() >= search.until) co_return;
  const auto time = share(search);
  const bool is_last = search.ahead == 0;
  auto opened =
      co_await open(candidate, time, is_last ? std::nullopt : std::optional<milliseconds>(time));
  if (opened) {
    failed_.forget(candidate.address);
    search.found = *std::move(opened);
    co_return;
  }
  if (opened.error().code != Errc::cancelled) failed_.note(candidate.address, Clock::now());
  search.last = {opened.error().code, text_of(candidate, opened.error())};
}

awaitable<Result<std::unique_ptr<Upstream>>> Connector::open(Candidate candidate,
                                                             milliseconds to_connect,
                                                             std::optional<milliseconds> to_open) {
  const auto executor = co_await asio::this_coro::executor;
  auto stream = std::make_unique<SocketStream>(SocketStream::Socket(executor), deadlines_);
  if (auto made = co_await stream->connect(candidate.address, to_connect); !made) {
    co_return std::unexpected(std::move(made).error());
  }
  auto settings = settings_.open;
  if (settings.server_name.empty()) settings.server_name = candidate.endpoint->host;
  auto upstream = std::make_unique<Upstream>(std::move(stream), settings_.timeouts);
  const Opening opening(*upstream, deadlines_, to_open);
  if (auto opened = co_await upstream->open(std::move(settings)); !opened) {
    upstream->close();
    if (opening.timed_out()) co_return fail(Errc::timeout, "was not ready in time");
    co_return std::unexpected(std::move(opened).error());
  }
  co_return upstream;
}

// With the address, where the configuration does not say it already.
std::string Connector::text_of(const Candidate& candidate, const Error& error) const {
  const auto address = to_string(candidate.address);
  const bool known = settings_.endpoints.size() == 1 && address == to_string(*candidate.endpoint);
  return known ? error.text : fmt::format("{}: {}", address, error.text);
}

}  // namespace postern::proxy
