// `postern sink`: a stand-in MTA on one thread.
#include "proxy/sink.h"

#include "base/log.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "proxy/listener.h"

#include <csignal>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace postern::cli {

namespace {

namespace asio = boost::asio;
using asio::awaitable;

awaitable<void> run_session(std::unique_ptr<proxy::Stream> client, const proxy::Maildir& maildir,
                            std::span<char> buffer) {
  proxy::SinkSession session(std::move(client), maildir, buffer);
  co_await session.run();
}

void log_failure(std::exception_ptr failure) {
  if (!failure) return;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    log::error(error.what());
  }
}

awaitable<void> watch_deadlines(proxy::Deadlines& deadlines, asio::io_context& context) {
  asio::steady_timer clock(context);
  for (;;) {
    clock.expires_after(std::chrono::seconds(1));
    co_await clock.async_wait(asio::use_awaitable);
    deadlines.expire(proxy::Deadline::Clock::now());
  }
}

}  // namespace

int sink(const SinkOptions& options) {
  log::start(log::Level::info);
  const auto address = parse_endpoint(options.listen);
  if (!address) {
    log::error(fmt::format("--listen: {}", address.error().text));
    return exit_call;
  }
  const auto maildir = proxy::Maildir::open(options.maildir);
  if (!maildir) {
    log::error(maildir.error().text);
    return exit_failed;
  }
  const auto claimed = proxy::claim_address(*address);
  if (!claimed) {
    log::error(claimed.error().text);
    return exit_failed;
  }
  // What sessions use is declared before the context whose end destroys them.
  std::vector<char> buffer(256UL * 1024);
  proxy::Deadlines deadlines;
  asio::io_context context{1};
  auto acceptor = proxy::open_acceptor(context, *claimed);
  if (!acceptor) {
    log::error(acceptor.error().text);
    return exit_failed;
  }
  log::info(fmt::format("listening on {} (sink), keeping mail in {}", proxy::to_string(*claimed),
                        options.maildir));
  asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&](boost::system::error_code, int) { context.stop(); });
  asio::co_spawn(context, watch_deadlines(deadlines, context), log_failure);
  asio::co_spawn(context,
                 proxy::accept_clients(
                     *acceptor, deadlines,
                     [&](std::unique_ptr<proxy::Stream> client, IpAddress /*peer*/) {
                       asio::co_spawn(context, run_session(std::move(client), *maildir, buffer),
                                      log_failure);
                     }),
                 log_failure);
  context.run();
  return exit_done;
}

}  // namespace postern::cli
