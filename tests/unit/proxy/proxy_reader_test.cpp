#include "proxy/proxy_reader.h"

#include "memory_stream.h"

#include <optional>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

using namespace postern;
using namespace std::string_literals;
namespace asio = boost::asio;

namespace {

const IpAddress balancer = parse_ip("10.0.0.1").value();

struct Outcome {
  Result<IpAddress> client = fail(Errc::io, "not read");
  std::string rest;  // what whoever comes next reads
  std::string said;  // to the peer
};

// Octets that come in pieces of `chunk`, and then the end of the connection, or nothing more.
Outcome read(const std::string& octets, std::size_t chunk, bool ends,
             std::chrono::milliseconds limit) {
  asio::io_context context;
  const auto in = std::make_shared<test::Pipe>(context.get_executor());
  const auto out = std::make_shared<test::Pipe>(context.get_executor());
  for (std::size_t at = 0; at < octets.size(); at += chunk) in->put(octets.substr(at, chunk));
  in->closed = ends;
  Outcome outcome;
  test::MemoryStream stream(in, out, 100);
  asio::co_spawn(
      context,
      [](proxy::Stream& from, std::chrono::milliseconds within,
         Outcome& found) -> asio::awaitable<void> {
        found.client = co_await proxy::read_proxy_header(from, balancer, within);
      }(stream, limit, outcome),
      [](const std::exception_ptr& failure) { CHECK(!failure); });
  context.run();
  for (const auto& piece : in->chunks) outcome.rest += piece;
  for (const auto& piece : out->chunks) outcome.said += piece;
  return outcome;
}

}  // namespace

TEST_CASE("PROXY reader: the header and not an octet more, however it comes; nothing is said") {
  const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;
  struct {
    std::string header;
    std::string_view client;
  } const cases[] = {
      {"PROXY TCP4 192.0.2.7 127.0.0.1 12345 25\r\n", "192.0.2.7"},
      {"PROXY TCP6 2001:db8::7 ::1 12345 25\r\n", "2001:db8::7"},
      {"PROXY UNKNOWN\r\n", "10.0.0.1"},
      {signature + "\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x30\x39\x00\x19"s,
       "192.0.2.7"},
      {signature + "\x20\x00\x00\x00"s, "10.0.0.1"},
  };
  const std::string hello = "\x16\x03\x01 TLS or EHLO\r\n";
  for (const auto& test : cases) {
    CAPTURE(test.header);
    for (const std::size_t chunk : {1UL, 7UL, 1000UL}) {
      const auto got = read(test.header + hello, chunk, false, std::chrono::minutes(1));
      REQUIRE(got.client.has_value());
      CHECK(to_string(*got.client) == test.client);
      CHECK(got.rest == hello);
      CHECK(got.said == "");
    }
  }
}

TEST_CASE("PROXY reader: no header, a cut one, one that does not come") {
  struct {
    std::string octets;
    bool ends;
    std::chrono::milliseconds limit;
    Errc want;
    std::string_view why;
  } const cases[] = {
      {"EHLO client\r\n", false, std::chrono::minutes(1), Errc::invalid, "a client"},
      {"PROXY TCP4 nobody\r\n", true, std::chrono::minutes(1), Errc::invalid, "malformed"},
      {"PROXY TCP4 " + std::string(200, '1'), false, std::chrono::minutes(1), Errc::invalid,
       "too long"},
      {"PROXY TCP4 192.0.2.7", true, std::chrono::minutes(1), Errc::closed, "cut"},
      {"", true, std::chrono::minutes(1), Errc::closed, "only looks whether we are there"},
      {"PROXY TCP4 192.0.2.7", false, std::chrono::milliseconds(0), Errc::timeout, "too slow"},
  };
  for (const auto& test : cases) {
    CAPTURE(test.why);
    const auto got = read(test.octets, 5, test.ends, test.limit);
    REQUIRE_FALSE(got.client.has_value());
    CHECK(got.client.error().code == test.want);
    CHECK(got.said == "");
  }
}
