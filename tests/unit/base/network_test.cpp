#include "base/network.h"

#include <string>

#include <doctest/doctest.h>

using namespace postern;
using namespace std::string_view_literals;

TEST_CASE("network: endpoints") {
  struct Case {
    std::string_view input, host;
    std::uint16_t port;
  };
  for (const auto& [input, host, port] :
       {Case{"127.0.0.1:25", "127.0.0.1", 25}, Case{"[::1]:2525", "::1", 2525},
        Case{"mail.example.com:65535", "mail.example.com", 65535},
        Case{"localhost:0", "localhost", 0}, Case{"0.0.0.0:587", "0.0.0.0", 587}}) {
    CAPTURE(input);
    const auto parsed = parse_endpoint(input);
    REQUIRE(parsed);
    CHECK(parsed->host == host);
    CHECK(parsed->port == port);
    CHECK(to_string(*parsed) == input);
  }
  for (const auto input : {"",
                           ":",
                           ":25",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1:+25",
                           "127.0.0.1:25 ",
                           "::1:25",
                           "[::1]",
                           "[::1]x:25",
                           "[::1:25",
                           "[]:25",
                           "[127.0.0.1]:25",
                           "127.0.0.256:25",
                           "1.2.3:25",
                           "a b:25",
                           "a..b:25",
                           "-a.example:25",
                           "m\xc3\xbcller.de:25"}) {
    CAPTURE(input);
    const auto parsed = parse_endpoint(input);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Errc::invalid);
  }
  CHECK_FALSE(parse_endpoint("127.0.0.1\0:25"sv));
}

TEST_CASE("network: which addresses a network holds") {
  struct Case {
    std::string_view network, ip;
    bool want;
    std::string_view why;
  };
  for (const auto& [network, ip, want, why] :
       {Case{"127.0.0.0/8", "127.255.255.255", true, "the last"},
        Case{"127.0.0.0/8", "128.0.0.0", false, "one after"},
        Case{"127.0.0.0/8", "::ffff:127.0.0.1", true, "a v4 client of a v6 socket"},
        Case{"192.0.2.7", "192.0.2.7", true, "one address"},
        Case{"192.0.2.7", "192.0.2.6", false, "another"},
        Case{"192.0.2.8/29", "192.0.2.15", true, "within an octet"},
        Case{"192.0.2.8/29", "192.0.2.16", false, "within an octet"},
        Case{"0.0.0.0/0", "8.8.8.8", true, "every v4 address"},
        Case{"0.0.0.0/0", "2001:db8::1", false, "and no v6 one"}, Case{"::1", "::1", true, "v6"},
        Case{"::1", "127.0.0.1", false, "not the v4 loopback"},
        Case{"2001:db8::/33", "2001:db8:7fff::1", true, "v6 within an octet"},
        Case{"2001:db8::/33", "2001:db8:8000::1", false, "v6 within an octet"}}) {
    CAPTURE(network);
    CAPTURE(ip);
    CAPTURE(why);
    const auto parsed = parse_network(network);
    const auto address = parse_ip(ip);
    REQUIRE(parsed);
    REQUIRE(address);
    CHECK(parsed->contains(*address) == want);
  }
}

TEST_CASE("network: an address is written as it is read; a mapped one as IPv4") {
  for (const auto text : {"192.0.2.7", "127.0.0.1", "::1", "2001:db8::1", "::"}) {
    CHECK(to_string(*parse_ip(text)) == text);
  }
  CHECK(to_string(*parse_ip("::ffff:192.0.2.7")) == "192.0.2.7");
}

TEST_CASE("network: what is none") {
  for (const auto input : {"", "/", "10.0.0.5/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/",
                           "10.0.0.0/8x", "10.0.0/8", "10.0.0.0.0", "::/129", "2001:db8::1/32",
                           "localhost", "[::1]", "10.0.0.0 /8", "fe80::1%eth0"}) {
    CAPTURE(input);
    CHECK_FALSE(parse_network(input));
  }
  CHECK_FALSE(parse_ip("127.0.0.1\0"sv));
  CHECK_FALSE(parse_ip(std::string(1000, '1')));
}

TEST_CASE("network: host names") {
  const std::string label(63, 'a');
  for (const auto& name : {std::string("localhost"), std::string("mail.example.com"), label,
                           std::string("1and1.com"), std::string("xn--mller-kva.de")}) {
    CAPTURE(name);
    CHECK(is_host_name(name));
  }
  const std::string too_long = label + "." + label + "." + label + "." + label;
  for (const auto& name :
       {std::string(), std::string("."), std::string("a."), std::string(".a"), std::string("a..b"),
        std::string("-a"), std::string("a-"), std::string("a_b"), label + "a", too_long,
        std::string("1.2.3.4"), std::string("example.123"), std::string("a b")}) {
    CAPTURE(name);
    CHECK_FALSE(is_host_name(name));
  }
}
