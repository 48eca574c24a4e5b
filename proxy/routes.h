// A thread's upstreams: [upstream] and those of the routes, each with its pool; and which of them
// mail goes by.
#pragma once

#include "policy/address.h"
#include "proxy/pool.h"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::proxy {

class Routes {
 public:
  // Patterns; of senders as canonical addresses are spelled.
  struct Rule {
    std::vector<std::string> sender{};
    std::vector<std::string> login{};
  };
  struct Route {
    Route(Rule by, boost::asio::any_io_executor executor, Pool::Settings settings,
          Pool::Connect connect)
        : rule(std::move(by)), pool(std::move(executor), std::move(settings), std::move(connect)) {}
    Rule rule;
    Pool pool;
  };
  // The last that is added takes what no other does.
  void add(Rule rule, boost::asio::any_io_executor executor, Pool::Settings settings,
           Pool::Connect connect);

  // Of a session that nobody authenticated in.
  [[nodiscard]] Pool& of_sender(const policy::Mailbox& reverse_path);
  [[nodiscard]] Pool& of_login(std::string_view login);
  // The login has a say: it has to be known before the upstream is asked.
  [[nodiscard]] bool has_logins() const { return has_logins_; }
  // Where mail goes that has neither.
  [[nodiscard]] Pool& last() { return routes_.back().pool; }
  [[nodiscard]] std::deque<Route>& all() { return routes_; }
  [[nodiscard]] const std::deque<Route>& all() const { return routes_; }

  // "upstream" as the log has it, and where there are several which one.
  [[nodiscard]] std::string label(const Pool& pool) const {
    return routes_.size() == 1 ? "upstream" : "upstream " + pool.name();
  }

  // What a client can count on, wherever its mail will go: what all of them offer; of AUTH what one
  // of them does.
  [[nodiscard]] const Capabilities& offered();

 private:
  std::deque<Route> routes_;
  bool has_logins_ = false;
  Capabilities merged_;
  std::uint64_t merged_at_ = 0;  // the sum of the pools' lessons
};

}  // namespace postern::proxy
