#include "proxy/wire/client_attributes.h"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::wire;

TEST_CASE("client attributes: what XFORWARD says") {
  const auto read = parse_forwarded("name=mx.example  ADDR=IPV6:2001:db8::1 HELO=a+20b name=x");
  REQUIRE(read);
  CHECK(*read == ClientAttributes{{"ADDR", "IPV6:2001:db8::1"}, {"HELO", "a+20b"}, {"NAME", "x"}});
  for (const auto* text : {"NAME", "LOGIN=anna", "NAME=a+2", "NAME=a+2g", "=x", "NAME=\xff"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_forwarded(text));
  }
  CHECK_FALSE(parse_forwarded("NAME=" + std::string(256, 'a')));
  CHECK(parse_forwarded("NAME=" + std::string(255, 'a')));
}

TEST_CASE("client attributes: what XCLIENT tells, and only what is offered") {
  const auto facts = [](const char* address, const char* login) {
    return xclient_attributes({.address = *parse_ip(address),
                               .helo = "client example",
                               .extended = true,
                               .login = login});
  };
  CHECK(attribute_lines("XCLIENT", facts("192.0.2.1", ""), "NAME ADDR PROTO HELO LOGIN") ==
        std::vector<std::string>{"XCLIENT PROTO=ESMTP HELO=client+20example LOGIN=[UNAVAILABLE] "
                                 "NAME=[UNAVAILABLE] ADDR=192.0.2.1\r\n"});
  CHECK(attribute_lines("XCLIENT", facts("2001:db8::1", "anna+x"), "addr login") ==
        std::vector<std::string>{"XCLIENT LOGIN=anna+2Bx ADDR=IPV6:2001:db8::1\r\n"});
  CHECK(attribute_lines("XCLIENT", facts("192.0.2.1", ""), "").empty());
}

TEST_CASE("client attributes: lines of 512 octets at most") {
  const ClientAttributes attributes{
      {"NAME", std::string(255, 'a')}, {"HELO", std::string(255, 'b')}, {"IDENT", "c"}};
  const auto lines = attribute_lines("XFORWARD", attributes, forwarded_names);
  REQUIRE(lines.size() == 2);
  CHECK(std::ranges::all_of(lines, [](const auto& line) { return line.size() <= 512; }));
  CHECK(lines[1].ends_with("IDENT=c\r\n"));
}
