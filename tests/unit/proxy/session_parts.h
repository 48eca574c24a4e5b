// What every session in memory is made of, whoever drives it: the dialogues (script_play.cpp) and
// the fuzzer of sessions (tests/fuzz/session.cpp).
#pragma once

#include "base/time.h"
#include "policy/contacts.h"
#include "policy/link.h"
#include "proxy/pool.h"
#include "proxy/upstream.h"

#include <exception>
#include <memory>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace postern::test {

inline void rethrow(const std::exception_ptr& failure) {
  if (failure) std::rethrow_exception(failure);
}

inline Time fixed_clock() { return *parse_time("2026-03-02T12:00:00Z"); }

inline policy::LinkKeys link_keys() {
  policy::LinkKey key{.id = 1};
  key.secret.fill(7);
  key.secret.back() = 8;
  return *policy::LinkKeys::create({key});
}

// Of a mailbox that is held since the day before.
inline void add_hold(policy::Findings& findings, policy::HoldKind kind, policy::Scope::Kind scope) {
  auto& found = findings.add(policy::Findings::Found::Form::mailbox);
  found.contact.holds = {{.id = {},
                          .kind = kind,
                          .scope = {.kind = scope, .stream = {}},
                          .date = *parse_time("2026-03-01"),
                          .until = {},
                          .event = {}}};
  found.contact.lifts.clear();
  found.contact.consents.clear();
}

// An upstream behind that stream, greeted.
inline boost::asio::awaitable<Result<std::unique_ptr<proxy::Upstream>>> open_upstream(
    std::unique_ptr<proxy::Stream> stream) {
  auto upstream = std::make_unique<proxy::Upstream>(std::move(stream), TimeoutConfig{});
  if (auto opened = co_await upstream->open({.hostname = "gate.example"}); !opened) {
    co_return std::unexpected(std::move(opened).error());
  }
  co_return upstream;
}

// As the gate does at its start; a refused greeting leaves it unknown what the upstream offers.
inline void learn(boost::asio::io_context& context, proxy::Pool& pool) {
  boost::asio::co_spawn(
      context,
      [](proxy::Pool& learning) -> boost::asio::awaitable<void> {
        auto lease = co_await learning.acquire(nullptr);
        if (lease) lease->give_back();
      }(pool),
      rethrow);
  context.poll();
  context.restart();
}

}  // namespace postern::test
