#include "web/server.h"

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "certs/server_certificates.h"
#include "web/admin.h"
#include "web/http.h"
#include "web/site.h"

#include <array>
#include <chrono>
#include <exception>
#include <optional>
#include <set>
#include <sys/socket.h>
#include <thread>
#include <tuple>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace postern::web {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::seconds;

namespace {

constexpr auto as_values = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t max_connections = 1'000;  // of each listener; more wait to be accepted
constexpr std::uint32_t max_header = 8U << 10U;
constexpr std::uint64_t max_body = 16U << 10U;
constexpr std::size_t max_target = 2'048;
constexpr int max_requests = 100;      // of a connection
constexpr seconds request_time{10};    // for all of a request to come, idle before it included
constexpr seconds write_time{10};      // for an answer to be taken
constexpr seconds handshake_time{10};  // of TLS
constexpr seconds linger_time{1};      // for a refused client to read why
constexpr seconds drain_time{15};      // more than a request and its answer need
constexpr int backlog = 1'024;

using Handler = std::function<void(const Request&, std::function<void(Response)>)>;
using Late = std::function<Response(const Request&)>;

struct Listener {
  std::string role;
  tcp::acceptor acceptor;
  Handler handle;
  Late late;                                         // the answer where `handle` gives none in time
  certs::ServerCertificates* certificate = nullptr;  // null: without TLS
  asio::steady_timer room;                           // ends when a connection does
  std::size_t connections = 0;
};

// Open connections, so that a drain can close those that are waiting for a request.
struct Connection {
  beast::tcp_stream* stream = nullptr;
  bool busy = false;
};

error_code bind_and_listen(tcp::acceptor& acceptor, const tcp::endpoint& address) {
  error_code error;
  acceptor.open(address.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && address.address().is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor.bind(address, error);
  if (!error) acceptor.listen(backlog, error);
  return error;
}

Result<tcp::acceptor> listen_at(asio::io_context& context, std::string_view role,
                                const Endpoint& address) {
  error_code error;
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(address.host, std::to_string(address.port), error);
  tcp::acceptor acceptor(context);
  if (!error) error = bind_and_listen(acceptor, found.begin()->endpoint());
  if (!error) return acceptor;
  const bool busy = error == asio::error::address_in_use;
  return fail(
      busy ? Errc::busy : Errc::io,
      fmt::format("cannot listen on {} ({}): {}{}", to_string(address), role, error.message(),
                  busy ? fmt::format("; choose another address in [{}]{}", role,
                                     role == "web" ? ", or with --web" : "")
                       : std::string()));
}

Result<tcp::acceptor> adopt(asio::io_context& context, std::string_view role, int descriptor) {
  const auto family = listening_family(descriptor);
  if (!family) {
    ::close(descriptor);
    return fail(family.error().code,
                fmt::format("the socket that systemd passes as {} {}", role, family.error().text));
  }
  tcp::acceptor acceptor(context);
  acceptor.assign(*family == AF_INET ? tcp::v4() : tcp::v6(), descriptor);
  return acceptor;
}

// Released first: systemd has a passed socket too, and epoll forgets one only when nobody has it.
void close_acceptor(tcp::acceptor& acceptor) {
  error_code error;
  const int descriptor = acceptor.release(error);
  if (!error) ::close(descriptor);
}

// A request's coroutine, resumed once: by its answer, or by the end of the time for it.
template <class Resume>
struct WaitingFor {
  WaitingFor(Resume the_resume, asio::io_context& context)
      : resume(std::move(the_resume)), timer(context) {}
  void answer(Response response) {
    if (std::exchange(answered, true)) return;
    timer.cancel();
    std::move(resume)(std::move(response));
  }
  Resume resume;
  asio::steady_timer timer;
  bool answered = false;
};

// No script, no frame, nothing of a third party, no cookie; INTERFACE.md's page needs none.
void add_headers(http::response<http::string_body>& message, bool tls) {
  message.set("Content-Security-Policy",
              "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
              "frame-ancestors 'none'; base-uri 'none'");
  message.set("Referrer-Policy", "no-referrer");
  message.set("X-Content-Type-Options", "nosniff");
  message.set("X-Robots-Tag", "noindex, nofollow");
  if (message.find(http::field::cache_control) == message.end()) {
    message.set(http::field::cache_control, "no-store");
  }
  if (tls) message.set("Strict-Transport-Security", "max-age=31536000");
}

http::response<http::string_body> to_message(Response response, bool head, bool tls) {
  http::response<http::string_body> message(static_cast<http::status>(response.status), 11);
  message.set(http::field::server, "postern");
  message.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) message.set(name, value);
  add_headers(message, tls);
  message.content_length(response.body.size());
  if (!head) message.body() = std::move(response.body);
  return message;
}

// What a parser's refusal is answered with; nullopt where there is nobody to answer.
std::optional<Response> refusal(error_code error) {
  if (error == http::error::header_limit) return plain(431, "the header is too long");
  if (error == http::error::body_limit) return plain(413, "the body is too long");
  if (error.category() == http::make_error_code(http::error::end_of_stream).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return plain(400, "not a request");
  }
  return std::nullopt;
}

}  // namespace

struct Server::Impl {
  Impl(const Config& config, const Parts& the_parts)
      : parts(the_parts),
        clock(context),
        drained(context),
        reader(parts.reader()),
        web(config.web),
        admin_address(config.admin.address),
        admin(parts.opt_outs, parts.metrics) {}
  ~Impl() { *gone = true; }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<void> open(const Config& config);
  Result<void> add(const std::string& role, const Endpoint& address, const Handler& handle,
                   const Late& late, certs::ServerCertificates* with);
  Result<void> add(const std::string& role, Result<tcp::acceptor> acceptor, Handler handle,
                   Late late, certs::ServerCertificates* with, std::string_view from);
  void run();

  awaitable<void> accept(Listener& listener);
  awaitable<void> serve(Listener& listener, tcp::socket socket);
  awaitable<void> serve_tls(Listener& listener, tcp::socket socket);
  template <class Stream>
  awaitable<void> answer_requests(Listener& listener, Stream& stream, Connection& connection,
                                  bool tls);
  template <class Stream>
  awaitable<bool> answer_one(Listener& listener, Stream& stream, Connection& connection,
                             beast::flat_buffer& buffer, bool last, bool tls);
  template <class Stream>
  awaitable<error_code> read(Stream& stream, Connection& connection, beast::flat_buffer& buffer,
                             http::request_parser<http::string_body>& parser);
  awaitable<Response> ask(const Listener& listener, Request request);
  awaitable<void> tick();
  void note(const Listener& listener, std::string_view method, const Response& response,
            std::chrono::steady_clock::time_point since);
  void begin_drain();
  void finish_when_idle();

  Parts parts;
  asio::io_context context{1};
  asio::steady_timer clock;
  asio::steady_timer drained;
  std::unique_ptr<policy::ContactReader> reader;
  const WebConfig web;
  const std::optional<Endpoint> admin_address;
  Admin admin;
  std::unique_ptr<certs::ServerCertificates> certificate;
  std::unique_ptr<Site> site;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<std::string> listening;
  std::set<Connection*> connections;
  // Connections that are cut off at the end die with the context, which outlives the listeners.
  std::shared_ptr<bool> gone = std::make_shared<bool>(false);
  bool draining = false;
  std::thread thread;
};

// On the sockets that were passed by its name; where there are none, at its address.
Result<void> Server::Impl::add(const std::string& role, const Endpoint& address,
                               const Handler& handle, const Late& late,
                               certs::ServerCertificates* with) {
  const auto passed = parts.passed != nullptr ? parts.passed->take(role) : std::vector<int>();
  if (passed.empty()) return add(role, listen_at(context, role, address), handle, late, with, "");
  Result<void> added;
  for (const int descriptor : passed) {
    auto one = add(role, adopt(context, role, descriptor), handle, late, with, ", from systemd");
    if (!one) added = std::move(one);
  }
  return added;
}

Result<void> Server::Impl::add(const std::string& role, Result<tcp::acceptor> acceptor,
                               Handler handle, Late late, certs::ServerCertificates* with,
                               std::string_view from) {
  if (!acceptor) return std::unexpected(acceptor.error());
  const auto bound = acceptor->local_endpoint();
  listening.push_back(fmt::format("listening on {} ({}{})",
                                  to_string(Endpoint{bound.address().to_string(), bound.port()}),
                                  role, from));
  listeners.push_back(
      std::make_unique<Listener>(Listener{role, *std::move(acceptor), std::move(handle),
                                          std::move(late), with, asio::steady_timer(context), 0}));
  return {};
}

Result<void> Server::Impl::open(const Config& config) {
  if (web.address) {
    auto settings = site_settings(config);
    if (!settings) return std::unexpected(settings.error());
    site = std::make_unique<Site>(*std::move(settings),
                                  Site::Parts{.opt_outs = parts.opt_outs,
                                              .contacts = *reader,
                                              .metrics = parts.metrics,
                                              .post = [this](std::function<void()> later) {
                                                asio::post(context, std::move(later));
                                              }});
    if (!web.certificate.empty()) {
      auto loaded = certs::ServerCertificates::load({{web.certificate, web.key}});
      if (!loaded) return std::unexpected(loaded.error());
      certificate = *std::move(loaded);
    }
    auto added = add(
        "web", *web.address,
        [this](const Request& request, std::function<void(Response)> reply) {
          site->handle(request, current_time(), std::move(reply));
        },
        [this](const Request& request) { return site->late(request); }, certificate.get());
    if (!added) return added;
  }
  if (admin_address) {
    return add(
        "admin", *admin_address,
        [this](const Request& request, std::function<void(Response)> reply) {
          admin.handle(request, std::move(reply));
        },
        [](const Request&) { return plain(503, "the store keeps its writers waiting"); }, nullptr);
  }
  return {};
}

void Server::Impl::run() {
  const auto unexpected = [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  };
  for (const auto& listener : listeners) asio::co_spawn(context, accept(*listener), unexpected);
  asio::co_spawn(context, tick(), unexpected);
  // A mistake in a page is one request's end, never that of the mail.
  for (;;) {
    try {
      context.run();
      return;
    } catch (const std::exception& failure) {
      log::error(fmt::format("web: a request broke off: {}", failure.what()));
    }
  }
}

// Out of descriptors, it waits a moment; at the limit of connections, until one of them ends.
awaitable<void> Server::Impl::accept(Listener& listener) {
  const auto unexpected = [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  };
  while (!draining) {
    if (listener.connections >= max_connections) {
      listener.room.expires_after(request_time);
      co_await listener.room.async_wait(as_values);
      continue;
    }
    auto [error, socket] = co_await listener.acceptor.async_accept(as_values);
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
    if (error) {
      listener.room.expires_after(std::chrono::milliseconds{100});
      co_await listener.room.async_wait(as_values);
      continue;
    }
    ++listener.connections;
    if (listener.certificate != nullptr) {
      asio::co_spawn(context, serve_tls(listener, std::move(socket)), unexpected);
    } else {
      asio::co_spawn(context, serve(listener, std::move(socket)), unexpected);
    }
  }
}

namespace {

// For as long as a connection lives, however it ends.
class Present {
 public:
  Present(std::set<Connection*>& all, Listener& listener, Connection& connection,
          std::shared_ptr<bool> server_gone)
      : all_(all),
        listener_(listener),
        connection_(connection),
        server_gone_(std::move(server_gone)) {
    all_.insert(&connection_);
  }
  ~Present() {
    if (*server_gone_) return;
    all_.erase(&connection_);
    --listener_.connections;
    listener_.room.cancel();
  }
  Present(const Present&) = delete;
  Present& operator=(const Present&) = delete;

 private:
  std::set<Connection*>& all_;
  Listener& listener_;
  Connection& connection_;
  std::shared_ptr<bool> server_gone_;
};

// What the client sent and nobody read would make the kernel reset the connection, and the answer
// with it.
awaitable<void> say_farewell(beast::tcp_stream& stream) {
  error_code error;
  stream.socket().shutdown(tcp::socket::shutdown_send, error);
  stream.expires_after(linger_time);
  std::array<char, 4096> rest;
  for (int i = 0; i < 64 && !error; ++i) {
    std::tie(error, std::ignore) = co_await stream.async_read_some(asio::buffer(rest), as_values);
  }
}

}  // namespace

awaitable<void> Server::Impl::serve(Listener& listener, tcp::socket socket) {
  beast::tcp_stream stream(std::move(socket));
  Connection connection{&stream, false};
  {
    const Present present(connections, listener, connection, gone);
    co_await answer_requests(listener, stream, connection, false);
    co_await say_farewell(stream);
  }
  finish_when_idle();
}

awaitable<void> Server::Impl::serve_tls(Listener& listener, tcp::socket socket) {
  const auto held = listener.certificate->context();
  SSL_CTX_up_ref(held.get());
  asio::ssl::context tls(held.get());
  beast::ssl_stream<beast::tcp_stream> stream(std::move(socket), tls);
  auto& tcp_layer = beast::get_lowest_layer(stream);
  Connection connection{&tcp_layer, false};
  {
    const Present present(connections, listener, connection, gone);
    tcp_layer.expires_after(handshake_time);
    const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, as_values);
    if (!error) {
      co_await answer_requests(listener, stream, connection, true);
      tcp_layer.expires_after(linger_time);
      co_await stream.async_shutdown(as_values);
    }
  }
  finish_when_idle();
}

template <class Stream>
awaitable<void> Server::Impl::answer_requests(Listener& listener, Stream& stream,
                                              Connection& connection, bool tls) {
  beast::flat_buffer buffer(max_header + max_body);
  for (int i = 1; i <= max_requests && !draining; ++i) {
    const bool more =
        co_await answer_one(listener, stream, connection, buffer, i == max_requests, tls);
    connection.busy = false;
    if (!more) co_return;
  }
}

// The header first: whoever expects a 100 waits for it before they send the body (RFC 9110 section
// 10.1.1).
template <class Stream>
awaitable<error_code> Server::Impl::read(Stream& stream, Connection& connection,
                                         beast::flat_buffer& buffer,
                                         http::request_parser<http::string_body>& parser) {
  parser.header_limit(max_header);
  parser.body_limit(max_body);
  beast::get_lowest_layer(stream).expires_after(request_time);
  auto [error, size] = co_await http::async_read_header(stream, buffer, parser, as_values);
  connection.busy = !error;
  if (error) co_return error;
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    http::response<http::string_body> go_on(http::status::continue_, 11);
    std::tie(error, size) = co_await http::async_write(stream, go_on, as_values);
    if (error) co_return error;
  }
  std::tie(error, size) = co_await http::async_read(stream, buffer, parser, as_values);
  co_return error;
}

// False where the connection ends.
template <class Stream>
awaitable<bool> Server::Impl::answer_one(Listener& listener, Stream& stream, Connection& connection,
                                         beast::flat_buffer& buffer, bool last, bool tls) {
  http::request_parser<http::string_body> parser;
  const auto error = co_await read(stream, connection, buffer, parser);
  const auto since = std::chrono::steady_clock::now();
  std::optional<Response> response;
  if (error) {
    response = refusal(error);
    if (!response) co_return false;
  }
  const auto& message = parser.get();
  const std::string method(message.method_string());
  bool keep = !error && message.keep_alive() && !last;
  if (!error && message.target().size() > max_target) {
    response = plain(414, "the address is too long");
  } else if (!error) {
    response = co_await ask(
        listener, Request{.method = method,
                          .target = std::string(message.target()),
                          .accept_language = std::string(message[http::field::accept_language]),
                          .content_type = std::string(message[http::field::content_type]),
                          .body = message.body()});
  }
  keep = keep && !draining;
  note(listener, method, *response, since);
  auto answer = to_message(*std::move(response), method == "HEAD", tls);
  answer.keep_alive(keep);
  beast::get_lowest_layer(stream).expires_after(write_time);
  const auto [failed, written] = co_await http::async_write(stream, answer, as_values);
  co_return keep && !failed;
}

// The answer may come at once, or later from another thread, or too late.
awaitable<Response> Server::Impl::ask(const Listener& listener, Request request) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void(Response)>(
      [this, &listener](auto handler, Request asked) {
        using Waiting = WaitingFor<decltype(handler)>;
        const auto waiting = std::make_shared<Waiting>(std::move(handler), context);
        waiting->timer.expires_after(parts.answer_time);
        waiting->timer.async_wait([waiting, &listener, asked](error_code error) {
          if (!error) waiting->answer(listener.late(asked));
        });
        listener.handle(asked, [this, waiting](Response response) {
          asio::post(context, [waiting, response = std::move(response)]() mutable {
            waiting->answer(std::move(response));
          });
        });
      },
      asio::use_awaitable, std::move(request));
}

// Neither token nor address: what is logged of a request says nothing of the person.
void Server::Impl::note(const Listener& listener, std::string_view method, const Response& response,
                        std::chrono::steady_clock::time_point since) {
  parts.metrics
      .counter(
          "postern_web_requests_total", "Requests by route and status.",
          {{"route", std::string(response.route)}, {"status", std::to_string(response.status)}})
      .add();
  if (!log::enabled(log::Level::debug)) return;
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - since;
  log::debug(fmt::format("{}: method={} route={} status={} ms={:.1f}", listener.role,
                         printable(method, 20), response.route, response.status, took.count()));
}

awaitable<void> Server::Impl::tick() {
  reader->refresh();
  for (;;) {
    clock.expires_after(seconds(1));
    const auto [error] = co_await clock.async_wait(as_values);
    if (error || draining) co_return;
    reader->refresh();
    if (certificate) certificate->look();
  }
}

void Server::Impl::begin_drain() {
  draining = true;
  for (const auto& listener : listeners) {
    close_acceptor(listener->acceptor);
    listener->room.cancel();
  }
  for (auto* connection : connections) {
    if (!connection->busy) connection->stream->cancel();
  }
  clock.cancel();
  drained.expires_after(drain_time);
  drained.async_wait([this](error_code error) {
    if (!error) context.stop();
  });
  finish_when_idle();
}

void Server::Impl::finish_when_idle() {
  if (draining && connections.empty()) context.stop();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { stop(); }

Result<std::unique_ptr<Server>> Server::create(const Config& config, const Parts& parts) {
  auto impl = std::make_unique<Impl>(config, parts);
  if (auto opened = impl->open(config); !opened) return std::unexpected(opened.error());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

const std::vector<std::string>& Server::listening() const { return impl_->listening; }

void Server::start() {
  impl_->thread = std::thread([this] { impl_->run(); });
}

void Server::reload(const Config& config, std::shared_ptr<const SiteSettings> pages) {
  if (config.web != impl_->web || config.admin.address != impl_->admin_address) {
    log::warning("[web] and [admin] change with a restart only; what is in the files is read anew");
  }
  if (!impl_->site) return;
  asio::post(impl_->context, [this, pages = std::move(pages)]() mutable {
    impl_->site->reload(std::move(pages));
    if (impl_->certificate) impl_->certificate->reload();
  });
}

void Server::stop() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->context, [this] { impl_->begin_drain(); });
  impl_->thread.join();
}

}  // namespace postern::web
