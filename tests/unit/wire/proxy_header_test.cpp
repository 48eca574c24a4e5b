#include "proxy/wire/proxy_header.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace std::string_literals;
using postern::wire::ProxyHeader;

namespace {

struct Read {
  std::string client;  // "-": none
  std::string fault;
  std::size_t consumed = 0;
  bool whole = false;
};

// As a reader does: never more than is wanted, `step` octets at a time at most.
Read read(std::string_view octets, std::size_t step) {
  ProxyHeader header;
  Read result;
  while (header.wanted() > 0 && result.consumed < octets.size()) {
    const auto piece = octets.substr(result.consumed, std::min(header.wanted(), step));
    header.take(piece);
    result.consumed += piece.size();
  }
  result.fault = header.fault();
  result.whole = header.fault().empty() && header.wanted() == 0;
  result.client = header.client() ? postern::to_string(*header.client()) : "-";
  return result;
}

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string binary(std::uint8_t command, std::uint8_t family, std::string_view block) {
  std::string header = signature;
  header += static_cast<char>(command);
  header += static_cast<char>(family);
  header += static_cast<char>(block.size() >> 8U);
  header += static_cast<char>(block.size() & 0xffU);
  return header.append(block);
}

const std::string four = "\xc0\x00\x02\x07\x7f\x00\x00\x01\x30\x39\x00\x19"s;
const std::string six = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x07"s +
                        std::string(15, '\0') + "\x01\x30\x39\x00\x19"s;

}  // namespace

TEST_CASE("PROXY header: the client, and not an octet of what stands behind it") {
  const std::string tlv = "\x04\x00\x03xyz"s;
  struct {
    std::string header;
    std::string_view client;
    std::string_view why;
  } const cases[] = {
      {"PROXY TCP4 192.0.2.7 127.0.0.1 12345 25\r\n", "192.0.2.7", "version 1"},
      {"PROXY TCP6 2001:db8::7 ::1 65535 0\r\n", "2001:db8::7", "version 1, IPv6"},
      {"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 25\r\n", "192.0.2.7", "an IPv4 client of an IPv6 socket"},
      {"PROXY UNKNOWN\r\n", "-", "the shortest there is"},
      {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "-",
       "what UNKNOWN says is ignored"},
      {"PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", "-", "107 octets"},
      {binary(0x21, 0x11, four), "192.0.2.7", "version 2"},
      {binary(0x21, 0x11, four + tlv), "192.0.2.7", "with a TLV"},
      {binary(0x21, 0x21, six), "2001:db8::7", "IPv6"},
      {binary(0x21, 0x31, std::string(216, 'u')), "-", "a Unix socket"},
      {binary(0x21, 0x00, ""), "-", "AF_UNSPEC"},
      {binary(0x21, 0x00, tlv), "-", "AF_UNSPEC with a TLV"},
      {binary(0x20, 0x00, ""), "-", "LOCAL"},
      {binary(0x20, 0x11, four), "-", "LOCAL: addresses are ignored"},
      {binary(0x20, 0x77, "abc"), "-", "LOCAL: whatever the family"},
      {binary(0x21, 0x11, four + std::string(4084, 'x')), "192.0.2.7", "4096 octets"},
  };
  for (const auto& test : cases) {
    CAPTURE(test.why);
    for (const std::size_t step : {1UL, 2UL, 5UL, 12UL, 5000UL}) {
      CAPTURE(step);
      const auto got = read(test.header + "EHLO client\r\n", step);
      CHECK(got.fault == "");
      CHECK(got.whole);
      CHECK(got.client == test.client);
      CHECK(got.consumed == test.header.size());
    }
    for (std::size_t cut = 0; cut < test.header.size(); ++cut) {
      const auto part = read(std::string_view(test.header).substr(0, cut), 5000);
      CHECK(part.fault == "");
      CHECK_FALSE(part.whole);
      CHECK(part.client == "-");
    }
  }
}

TEST_CASE("PROXY header: what is none is known as such, and names no client") {
  const std::string no_header = "this is no PROXY header";
  const std::string malformed = "its PROXY header is malformed";
  const std::string too_long = "its PROXY header is too long";
  struct {
    std::string header;
    std::string fault;
    std::string_view why;
  } const cases[] = {
      {"EHLO client.example\r\n", no_header, "a client that speaks for itself"},
      {"PROXX TCP4 192.0.2.7 127.0.0.1 1 25\r\n", no_header, "another word"},
      {"proxy TCP4 192.0.2.7 127.0.0.1 1 25\r\n", no_header, "the word is in capitals"},
      {"PROXYTCP4 192.0.2.7 127.0.0.1 1 25\r\n", no_header, "no blank behind it"},
      {"\r\n\r\n\0\r\nQUIX\n"s, no_header, "nearly the signature"},
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00"s, no_header, "TLS"},
      {"PROXY TCP5 192.0.2.7 127.0.0.1 1 25\r\n", malformed, "no such family"},
      {"PROXY UDP4 192.0.2.7 127.0.0.1 1 25\r\n", malformed, "no such family"},
      {"PROXY UNKNOWNX\r\n", malformed, "no such family"},
      {"PROXY \r\nxxxx", malformed, "nothing in it"},
      {"PROXY xxxx\r\n", malformed, "nothing in it"},
      {"PROXY TCP4\r\n", malformed, "no addresses"},
      {"PROXY TCP4 192.0.2.7 127.0.0.1 1\r\n", malformed, "a port is missing"},
      {"PROXY TCP4 192.0.2.7 127.0.0.1 1 25 \r\n", malformed, "a blank too many at its end"},
      {"PROXY TCP4  192.0.2.7 127.0.0.1 1 25\r\n", malformed, "two blanks"},
      {"PROXY TCP4 192.0.2.7 127.0.0.1 1 65536\r\n", malformed, "no such port"},
      {"PROXY TCP4 192.0.2.7 127.0.0.1 01 25\r\n", malformed, "a zero in front"},
      {"PROXY TCP4 192.0.2.7 127.0.0.1 -1 25\r\n", malformed, "no such port"},
      {"PROXY TCP4 192.0.2.256 127.0.0.1 1 25\r\n", malformed, "no address"},
      {"PROXY TCP4 192.0.2.7 localhost 1 25\r\n", malformed, "a name"},
      {"PROXY TCP4 2001:db8::7 ::1 1 25\r\n", malformed, "of the other family"},
      {"PROXY TCP6 192.0.2.7 127.0.0.1 1 25\r\n", malformed, "of the other family"},
      {"PROXY UNKNOWN\n", malformed, "a bare LF"},
      {"PROXY UNKNOWN\rx", malformed, "a bare CR"},
      {"PROXY UNKNOWN\r\r\n", malformed, "a bare CR"},
      {"PROXY UNKNOWN " + std::string(92, 'x') + "\r\n", too_long, "108 octets"},
      {"PROXY TCP4 " + std::string(4000, '1'), too_long, "no end"},
      {binary(0x11, 0x11, four), "its PROXY header is of an unknown version", "version 1, binary"},
      {binary(0x31, 0x11, four), "its PROXY header is of an unknown version", "version 3"},
      {binary(0x22, 0x11, four), malformed, "no such command"},
      {binary(0x21, 0x12, four), malformed, "datagrams"},
      {binary(0x21, 0x41, six), malformed, "no such family"},
      {binary(0x21, 0x01, ""), malformed, "a transport without a family"},
      {binary(0x21, 0x11, four.substr(1)), malformed, "shorter than its addresses"},
      {binary(0x21, 0x21, four), malformed, "shorter than its addresses"},
      {binary(0x21, 0x31, four), malformed, "shorter than its addresses"},
      {binary(0x21, 0x11, four + std::string(4085, 'x')), too_long, "4097 octets"},
      {binary(0x20, 0x00, std::string(65535, 'x')), too_long, "LOCAL is bounded too"},
  };
  for (const auto& test : cases) {
    CAPTURE(test.why);
    for (const std::size_t step : {1UL, 3UL, 5000UL}) {
      CAPTURE(step);
      const auto got = read(test.header, step);
      CHECK(got.fault == test.fault);
      CHECK_FALSE(got.whole);
      CHECK(got.client == "-");
      CHECK(got.consumed <= test.header.size());
    }
  }
}
