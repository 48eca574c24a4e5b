#include "policy/domain.h"

#include "policy/address.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern::policy;

TEST_CASE("parse_domain brings every spelling to one") {
  struct Case {
    std::string_view input, want, why;
  };
  const std::string label(63, 'a');
  const std::string longest = label + '.' + label + '.' + label + '.' + label;  // 255 octets
  REQUIRE(longest.size() == max_domain);
  const std::string longest_dot = longest + ".";
  std::string full_width;
  for (int i = 0; i < 63; ++i) full_width += "\uFF41";
  const Case cases[] = {
      {"example.com", "example.com", "plain"},
      {"EXAMPLE.Com.", "example.com", "case and final dot"},
      {"localhost", "localhost", "one label"},
      {"_dmarc.a_b.example", "_dmarc.a_b.example", "underscores exist"},
      {"1.2.3.4", "1.2.3.4", "digits are labels, whatever comes of it"},
      {"example.123", "example.123", "a top level of digits"},
      {"r3---sn.example", "r3---sn.example", "hyphens in the third and fourth place exist"},
      {"XN--MNCHEN-3YA.example", "xn--mnchen-3ya.example", "an A-label's case"},
      {"xn--.example", "", "a hyphen at the end"},
      {"xn--n3h.example", "xn--n3h.example", "an A-label that IDNA does not know"},
      {"m\u00FCnchen.example", "xn--mnchen-3ya.example", "U-label"},
      {"mu\u0308nchen.example", "xn--mnchen-3ya.example", "NFD"},
      {"M\u00DCNCHEN.EXAMPLE", "xn--mnchen-3ya.example", "upper case"},
      {"fa\u00DF.example", "xn--fa-hia.example", "non-transitional: not fass"},
      {"fass.example", "fass.example", "nor the other way"},
      {"\u03B2\u03CC\u03BB\u03BF\u03C2.example", "xn--nxasmm1c.example", "a final sigma stays"},
      {"\uFF45\uFF58\uFF0E\uFF43\uFF4F\uFF4D", "ex.com", "full width, its dot too"},
      {"a\u3002b\uFF61c", "a.b.c", "ideographic full stops"},
      {"a.b\u3002", "a.b", "at the end too"},
      {"ex\u00ADample.com", "example.com", "a soft hyphen is nothing"},
      {"_x.\u00FC.example", "_x.xn--tda.example", "an underscore beside a U-label"},
      {"[192.0.2.1]", "[192.0.2.1]", "IPv4"},
      {"[IPv6:2001:0DB8:0:0:0:0:0:1]", "[ipv6:2001:db8::1]", "IPv6 written out"},
      {"[ipv6:2001:db8::1]", "[ipv6:2001:db8::1]", "the tag in lower case"},
      {"[IPv6:::ffff:c000:0201]", "[ipv6:::ffff:192.0.2.1]", "IPv4 in IPv6"},
      {longest, longest, "255 octets"},
      {longest_dot, longest, "and a dot"},
      {full_width, label, "the limit is that of the A-label"},
      {"", "", "nothing"},
      {".", "", "the root alone"},
      {"..", "", "empty labels"},
      {".a", "", "empty label in front"},
      {"a..b", "", "empty label"},
      {"a\u3002.b", "", "of two kinds of dot"},
      {"\u00AD.example", "", "a label of nothing"},
      {"-a.example", "", "hyphen in front"},
      {"a-.example", "", "hyphen at the end"},
      {"a b", "", "blank"},
      {"a/b", "", "slash"},
      {"a\\b", "", "backslash"},
      {"a:25", "", "a port"},
      {"*.example", "", "a wildcard"},
      {"\u2488.example", "", "a digit with its dot"},
      {"a\u200D.example", "", "a joiner that joins nothing"},
      {"\u0300a.example", "", "a combining mark in front"},
      {"\u00FC/\u00FC", "", "a slash between U-labels"},
      {"\uFF0F.example", "", "a full-width slash"},
      {"[]", "", "empty literal"},
      {"[", "", "half a literal"},
      {"[192.0.2.1", "", "unfinished"},
      {"[192.0.2.1]x", "", "text behind"},
      {"[192.0.2.256]", "", "no octet"},
      {"[192.0.2]", "", "too short"},
      {"[2001:db8::1]", "", "IPv6 without its tag"},
      {"[IPv6:192.0.2.1]", "", "IPv4 with it"},
      {"[IPv6:fe80::1%lo]", "", "a zone"},
      {"[IPv6:1::2::3]", "", "two gaps"},
      {"[x400:a]", "", "a tag that nobody registered"},
  };
  for (const auto& [input, want, why] : cases) {
    CAPTURE(input);
    CAPTURE(why);
    const auto domain = parse_domain(input);
    CHECK(domain.value_or("") == want);
    if (domain) CHECK(parse_domain(*domain) == *domain);
  }
}

TEST_CASE("parse_domain knows its limits") {
  const std::string label(63, 'a');
  CHECK_FALSE(parse_domain(label + "a.example"));
  CHECK_FALSE(parse_domain(label + '.' + label + '.' + label + '.' + label + ".b"));
  std::string wide;
  for (int i = 0; i < 64; ++i) wide += "\uFF41";
  CHECK_FALSE(parse_domain(wide));
  std::string many;
  for (int i = 0; i < 100'000; ++i) many += "\u00FC.";
  CHECK_FALSE(parse_domain(many));
  CHECK_FALSE(label_to_ascii(many));
  CHECK_FALSE(parse_domain(std::string_view("\u00FC\0.b", 5)));
  CHECK_FALSE(parse_domain(std::string_view("[192.0.2.1\0]", 12)));
}
