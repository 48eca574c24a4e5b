#include "proxy/routes.h"

#include "policy/stream.h"

#include <algorithm>
#include <utility>

namespace postern::proxy {

namespace {

void merge(Capabilities& all, const Capabilities& one) {
  all.pipelining &= one.pipelining;
  all.eight_bit_mime &= one.eight_bit_mime;
  all.smtputf8 &= one.smtputf8;
  all.dsn &= one.dsn;
  all.size &= one.size;
  if (all.size_limit == 0 || one.size_limit == 0) {
    all.size_limit = std::max(all.size_limit, one.size_limit);
  } else {
    all.size_limit = std::min(all.size_limit, one.size_limit);
  }
  for (const auto& mechanism : one.auth) {
    if (std::ranges::find(all.auth, mechanism) == all.auth.end()) all.auth.push_back(mechanism);
  }
}

}  // namespace

void Routes::add(Rule rule, boost::asio::any_io_executor executor, Pool::Settings settings,
                 Pool::Connect connect) {
  has_logins_ |= !rule.login.empty();
  for (auto& pattern : rule.sender) pattern = policy::canonical_pattern(pattern);
  routes_.emplace_back(std::move(rule), std::move(executor), std::move(settings),
                       std::move(connect));
}

Pool& Routes::of_sender(const policy::Mailbox& reverse_path) {
  if (routes_.size() == 1) return last();
  const auto sender = policy::canonical(reverse_path).text;
  const auto found = std::ranges::find_if(
      routes_, [&](const Route& route) { return policy::matches_any(route.rule.sender, sender); });
  return found == routes_.end() ? last() : found->pool;
}

Pool& Routes::of_login(std::string_view login) {
  const auto found = std::ranges::find_if(
      routes_, [&](const Route& route) { return policy::matches_any(route.rule.login, login); });
  return found == routes_.end() || login.empty() ? last() : found->pool;
}

const Capabilities& Routes::offered() {
  if (routes_.size() == 1) return last().offered();
  std::uint64_t lessons = 1;
  for (const Route& route : routes_) lessons += route.pool.lessons();
  if (lessons == merged_at_) return merged_;
  merged_at_ = lessons;
  merged_ = routes_.front().pool.offered();
  for (const Route& route : routes_) merge(merged_, route.pool.offered());
  return merged_;
}

}  // namespace postern::proxy
