#include "policy/address.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::policy;

TEST_CASE("parse_mailbox keeps what the protocol means") {
  struct Case {
    std::string_view input, local_part, domain, written, why;
  };
  const std::string long_local(max_local_part, 'a');
  const std::string long_input = long_local + "@b.example";
  const Case cases[] = {
      {"a@b.example", "a", "b.example", "a@b.example", "plain"},
      {"A.B@EXAMPLE.Com", "A.B", "example.com", "A.B@example.com", "case of the local part stays"},
      {"a@b.example.", "a", "b.example", "a@b.example", "a final dot is the root"},
      {"\"a\"@b", "a", "b", "a@b", "quotes that are not needed"},
      {"\"\\a\\b\"@b", "ab", "b", "ab@b", "quoted pairs"},
      {"\"a b\"@b", "a b", "b", "\"a b\"@b", "a blank needs quotes"},
      {"\"a\\\"\\\\b\"@b", "a\"\\b", "b", "\"a\\\"\\\\b\"@b", "quote and backslash stay escaped"},
      {"\"a@c\"@b", "a@c", "b", "\"a@c\"@b", "an @ in quotes is no delimiter"},
      {"\"<a>\"@b", "<a>", "b", "\"<a>\"@b", "brackets in quotes"},
      {"\"a..b\"@b", "a..b", "b", "\"a..b\"@b", "two dots need quotes"},
      {"\".a\"@b", ".a", "b", "\".a\"@b", "a leading dot needs quotes"},
      {"\"a.\"@b", "a.", "b", "\"a.\"@b", "a final dot needs quotes"},
      {"\"a.b\"@b", "a.b", "b", "a.b@b", "a dot between atoms does not"},
      {"\"\"@b", "", "b", "\"\"@b", "RFC 5321 has empty quoted strings"},
      {"!#$%&'*+-/=?^_`{|}~@b", "!#$%&'*+-/=?^_`{|}~", "b", "!#$%&'*+-/=?^_`{|}~@b", "atext"},
      {"m\u00FCller@b", "m\u00FCller", "b", "m\u00FCller@b", "RFC 6531"},
      {"mu\u0308ller@b", "m\u00FCller", "b", "m\u00FCller@b", "NFD to NFC"},
      {"\u037E@b", ";", "b", "\";\"@b", "NFC may give a character that needs quotes"},
      {"\"<\u0338\"@b", "\u226E", "b", "\u226E@b", "and may take one away"},
      {"a@[192.0.2.1]", "a", "[192.0.2.1]", "a@[192.0.2.1]", "IPv4 literal"},
      {"a@[IPv6:2001:DB8::0:1]", "a", "[ipv6:2001:db8::1]", "a@[ipv6:2001:db8::1]", "IPv6 literal"},
      {"a@M\u00DCNCHEN.example", "a", "xn--mnchen-3ya.example", "a@xn--mnchen-3ya.example",
       "U-label"},
      {long_input, long_local, "b.example", long_input, "256 octets of local part"},
  };
  for (const auto& [input, local_part, domain, written, why] : cases) {
    CAPTURE(input);
    CAPTURE(why);
    const auto mailbox = parse_mailbox(input);
    REQUIRE(mailbox);
    CHECK(mailbox->local_part == local_part);
    CHECK(mailbox->domain == domain);
    CHECK(to_string(*mailbox) == written);
    CHECK(parse_mailbox(written) == *mailbox);
  }
}

TEST_CASE("parse_mailbox refuses what is no mailbox, and says why") {
  using namespace std::string_view_literals;
  const std::string long_local = std::string(max_local_part + 1, 'a') + "@b";
  // 128 letters of two octets whose lower case takes three.
  std::string long_folded;
  for (int i = 0; i < 128; ++i) long_folded += "\u023A";
  long_folded += "@b";
  const std::string endless(100'000, '"');
  const std::string_view cases[] = {
      "",
      "@",
      "a",
      "a@",
      "@b",
      "a b@c",
      " a@b",
      "a@b ",
      "a@b c",
      "a@@b",
      "a@b@c",
      "<a@b>",
      "A <a@b>",
      "a@b,c@d",
      ".a@b",
      "a.@b",
      "a..b@c",
      "a@.b",
      "a@b..c",
      "a@b..",
      "a@.",
      "a(comment)@b",
      "a;b@c",
      "\"a@b",
      "\"a\"",
      "\"a\"b@c",
      "\"a\".b@c",
      "a\"b\"@c",
      "\"a\\",
      "\"a\\\u00FC\"@b",
      "a\0b@c"sv,
      "a@b\0"sv,
      "\"a\rb\"@c",
      "\"a\nb\"@c",
      "\"a\tb\"@c",
      "a@b\r\nRCPT TO:<c@d>",
      "a\x7F@b",
      "a\u0085@b",
      "a\u2028@b",
      "a\xFF@b",
      "a\xC3@b",
      "a\xC0\x80@b",
      "a\xED\xA0\x80@b",
      "a@b\xFF",
      "a\uFF20b",
      long_local,
      long_folded,
      endless,
  };
  for (const auto input : cases) {
    CAPTURE(input.substr(0, 80));
    const auto mailbox = parse_mailbox(input);
    REQUIRE_FALSE(mailbox);
    CHECK(mailbox.error().code == Errc::invalid);
    CHECK(mailbox.error().text.find(" is no address: ") != std::string::npos);
    CHECK(mailbox.error().text.size() < 250);
    CHECK(mailbox.error().text.find_first_of("\r\n") == std::string::npos);
  }
}

TEST_CASE("parse_path") {
  struct Case {
    std::string_view input, written, why;
  };
  const Case cases[] = {
      {"<a@b>", "a@b", "plain"},
      {"<@a,@b:x@y>", "x@y", "source route, RFC 5321 section 4.1.1.3"},
      {"<@a:x@y>", "x@y", "of one"},
      {"<@[IPv6:2001:db8::1],@[192.0.2.1]:x@y>", "x@y", "a literal holds colons"},
      {"<@a:\"@b:c\"@y>", "\"@b:c\"@y", "quotes begin after the route"},
      {"<\"a>b\"@c>", "\"a>b\"@c", "a bracket in quotes"},
      {"<Postmaster>", "Postmaster", "the one without a domain"},
      {"<>", "", "the null path"},
  };
  for (const auto& [input, written, why] : cases) {
    CAPTURE(input);
    CAPTURE(why);
    const auto mailbox = parse_path(input, true);
    REQUIRE(mailbox);
    CHECK(to_string(*mailbox) == written);
  }
  CHECK(parse_path("<>", true)->empty());
  CHECK_FALSE(parse_path("<\"\"@b>", true)->empty());
}

TEST_CASE("parse_path refuses what is no path") {
  CHECK_FALSE(parse_path("<>", false));
  const std::string_view cases[] = {
      "",
      "<",
      ">",
      "a@b",
      "<a@b",
      "a@b>",
      "<a@b> ",
      "<<a@b>>",
      "<a>",
      "< a@b>",
      "<a@b >",
      "<@a>",
      "<@a,@b>",
      "<@a x@y>",
      "<@:x@y>",
      "<@a,:x@y>",
      "<@a,b:x@y>",
      "<@a:>",
      "<@a:postmaster>",
      "<@[IPv6:::1:x@y>",
      "<@a,,@b:x@y>",
      "<@.a:x@y>",
      "<\"postmaster\">",
      "<a@b>\r\nDATA",
      "<\0>",
      "<@[",
  };
  for (const auto input : cases) {
    CAPTURE(input);
    CHECK_FALSE(parse_path(input, true));
  }
  std::string routes = "<";
  for (int i = 0; i < 100'000; ++i) routes += "@a,";
  CHECK_FALSE(parse_path(routes + ":x@y>", true));
}

TEST_CASE("needs_smtputf8 looks at the local part alone") {
  CHECK_FALSE(parse_mailbox("a@m\u00FCnchen.example")->needs_smtputf8());
  CHECK(parse_mailbox("\u00FC@a.example")->needs_smtputf8());
  CHECK_FALSE(Mailbox{}.needs_smtputf8());
}

TEST_CASE("parse_domain_pattern") {
  struct Case {
    std::string_view input, want;
  };
  const Case cases[] = {
      {"@Example.COM", "@example.com"},
      {"@.Example.COM.", "@.example.com"},
      {"@m\u00FCnchen.example", "@xn--mnchen-3ya.example"},
      {"@[IPv6:0::1]", "@[ipv6:::1]"},
      {"@localhost", "@localhost"},
  };
  for (const auto& [input, want] : cases) {
    CAPTURE(input);
    const auto pattern = parse_domain_pattern(input);
    REQUIRE(pattern);
    CHECK(pattern->text == want);
    CHECK(pattern->is_domain());
    CHECK(parse_domain_pattern(pattern->text) == *pattern);
  }
  for (const auto* input : {"", "@", "@.", "@..a", "a@b", "example.com", "@.[192.0.2.1]", "@a b",
                            "@a@b", "@*.a", "@[192.0.2.1", "@a/b"}) {
    CAPTURE(input);
    CHECK_FALSE(parse_domain_pattern(input));
  }
}

TEST_CASE("parse_contact takes what people type") {
  struct Case {
    std::string_view input, want;
  };
  const Case cases[] = {
      {" A@B.example\t", "a@b.example"},
      {"<a@b>", "a@b"},
      {"@r:a@b", "a@b"},
      {"<@r:a@b>", "a@b"},
      {"@b", "@b"},
      {"\t@.B\r\n", "@.b"},
      {"\"\"@b", "\"\"@b"},
  };
  for (const auto& [input, want] : cases) {
    CAPTURE(input);
    const auto contact = parse_contact(input, true);
    REQUIRE(contact);
    CHECK(contact->text == want);
    CHECK(parse_contact(input, false).has_value() == !contact->is_domain());
  }
  for (const auto* input :
       {"", " ", "<>", "a", "postmaster", "<postmaster>", "A <a@b>", "a@b;", "a@b c@d"}) {
    CAPTURE(input);
    CHECK_FALSE(parse_contact(input, true));
  }
}
