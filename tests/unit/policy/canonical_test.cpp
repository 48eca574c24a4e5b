// The tests that are tried hardest: however a mailbox is spelled, it is the same contact; and
// nothing else is.
#include "policy/address.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::policy;

namespace {

CanonicalAddress contact(std::string_view text) {
  const auto parsed = parse_contact(text, true);
  REQUIRE_MESSAGE(parsed, std::string(text));
  return *parsed;
}

std::vector<std::string> texts(const std::vector<CanonicalAddress>& forms) {
  std::vector<std::string> result;
  for (const auto& form : forms) result.push_back(form.text);
  return result;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("one mailbox in all its spellings") {
  const std::vector<Texts> groups = {
      {"anna.b@example.com", "Anna.B@Example.COM", "ANNA.B@EXAMPLE.COM.", "\"anna.b\"@example.com",
       "\"Anna\\.B\"@example.com", "\"\\a\\n\\n\\a.b\"@example.com", "<anna.b@example.com>",
       "<@relay.example,@other.example:anna.b@example.com>", "@[IPv6:::1]:anna.b@example.com",
       " anna.b@example.com ", "anna.b@example\u3002com", "anna.b@\uFF45xample.com",
       "anna.b@exa\u00ADmple.com", "anna.b@EXAMPLE\uFF0ECOM\uFF61"},
      {"\"a b\"@x", "\"A B\"@X", "\"A\\ B\"@x.", "\"\\a\\ \\b\"@x"},
      {"a@m\u00FCnchen.example", "a@mu\u0308nchen.example", "a@M\u00DCNCHEN.example",
       "a@xn--mnchen-3ya.example", "a@XN--Mnchen-3YA.EXAMPLE.", "A@m\u00FCnchen.e\u00ADxample",
       "a@\uFF4D\u00FCnchen.example"},
      {"j\u00FCrgen@x", "ju\u0308rgen@x", "J\u00DCRGEN@x", "JU\u0308RGEN@X.", "\"j\u00FCrgen\"@x",
       "\"ju\u0308\\r\\gen\"@x"},
      {"\u1FB3\u0301@x", "\u1FB4@x", "\u03B1\u0345\u0301@x", "\u03B1\u0301\u0345@x",
       "\u0391\u0301\u0345@x", "\u03AC\u03B9@x"},
      {"\u03C3\u03B1\u03C2@x", "\u03A3\u0391\u03A3@x", "\u03C3\u03B1\u03C3@x"},
      {"k@x", "K@x", "\u212A@x"},
      {"\";\"@x", "\u037E@x"},
      {"a@[IPv6:2001:db8::1]", "a@[ipv6:2001:DB8:0:0:0:0:0:1]", "A@[IPV6:2001:0db8::0001]",
       "a@[IPv6:2001:db8::0.0.0.1]"},
      {"a@[IPv6:::ffff:192.0.2.1]", "a@[IPv6:0:0:0:0:0:FFFF:c000:201]"},
      {"\"\"@x", "\"\"@X."},
  };
  for (const auto& group : groups) {
    const auto first = contact(group.front());
    for (const auto& spelling : group) {
      CAPTURE(spelling);
      CHECK(contact(spelling).text == first.text);
    }
  }
}

TEST_CASE("what only looks alike is another contact") {
  const Texts different = {
      "a@x",
      "\u0430@x",  // Cyrillic
      "\uFF41@x",  // full width: NFC keeps it
      "a@\u0445",  // Cyrillic domain
      "a.b@x",
      "ab@x",
      "a_b@x",
      "\"a b\"@x",
      "\"a  b\"@x",
      "\" a\"@x",
      "\"a@x\"@x",
      "\"\\\"a\\\"\"@x",
      "a+b@x",
      "+a@x",
      "i@x",
      "\u0131@x",
      "\u00E0@x",
      "l@x",
      "1@x",
      "a@x.example",
      "a@xn--fa-hia.example",
      "a@fass.example",
      "a@[192.0.2.1]",
      "a@192.0.2.1",
      "a@[IPv6:::ffff:192.0.2.1]",
      "\"\"@x",
      "@x",
      "@.x",
  };
  for (std::size_t i = 0; i < different.size(); ++i) {
    for (std::size_t j = i + 1; j < different.size(); ++j) {
      CAPTURE(different[i]);
      CAPTURE(different[j]);
      CHECK(contact(different[i]).text != contact(different[j]).text);
    }
  }
}

TEST_CASE("canonical text is an address, and its own canonical form") {
  for (const auto* text : {"A@X", "\"A B\"@x", "\"\"@x", "\u1FB3\u0323@x", "\"\u037E\\\"\"@x",
                           "Stra\u00DFe@Fa\u00DF.example", "a@[IPv6:0::1]", "\"A+B C\"@x"}) {
    CAPTURE(text);
    const auto once = contact(text);
    const auto again = parse_mailbox(once.text);
    REQUIRE(again);
    CHECK(canonical(*again) == once);
    CHECK(to_string(*again) == once.text);
  }
}

TEST_CASE("without_subaddress") {
  struct Case {
    std::string_view input, want, why;
  };
  const Case cases[] = {
      {"a+tag@x", "a@x", "plain"},
      {"a+b+c@x", "a@x", "the first counts"},
      {"a+@x", "a@x", "an empty tag"},
      {"a@x", "", "none"},
      {"+a@x", "", "a leading one is no delimiter"},
      {"+a+b@x", "+a@x", "the next one is"},
      {"++a@x", "+@x", "even at once"},
      {"+@x", "", "alone"},
      {"\"a+b c\"@x", "a@x", "quotes that only the tag needed"},
      {"\"a b+c\"@x", "\"a b\"@x", "quotes that stay"},
      {"\"a.+c\"@x", "\"a.\"@x", "quotes for a final dot"},
      {"\"+a b\"@x", "", "leading, in quotes"},
      {"\"\\\"+a\"@x", "\"\\\"\"@x", "after an escaped quote"},
      {"\"a@b+c\"@x", "\"a@b\"@x", "with an @"},
      {"J\u00DCRGEN+x@x", "j\u00FCrgen@x", "not ASCII"},
      {"@x", "", "a domain"},
      {"\"\"@x", "", "the empty local part"},
  };
  for (const auto& [input, want, why] : cases) {
    CAPTURE(input);
    CAPTURE(why);
    CHECK(without_subaddress(contact(input)) == want);
  }
}

TEST_CASE("folded") {
  const std::vector<Provider> providers = {
      {.domains = {"gmail.com", "googlemail.com"}, .ignore_dots = true},
      {.domains = {"one.example", "two.example"}, .ignore_dots = false},
  };
  struct Case {
    std::string_view input, want, why;
  };
  const Case cases[] = {
      {"a.b.c@gmail.com", "abc@gmail.com", "dots"},
      {"abc@gmail.com", "abc@gmail.com", "the folded spelling itself meets the others"},
      {"A.bc@GoogleMail.com", "abc@gmail.com", "alias"},
      {"a.b+t.ag@gmail.com", "ab+t.ag@gmail.com", "the tag is the contact's"},
      {"\"a..b\"@gmail.com", "ab@gmail.com", "quotes that only the dots needed"},
      {"\"a. b\"@gmail.com", "\"a b\"@gmail.com", "quotes that stay"},
      {"\"..\"@gmail.com", "\"..\"@gmail.com", "nothing but dots stays apart"},
      {"a.b@two.example", "a.b@one.example", "an alias without the rule for dots"},
      {"a.b@mail.gmail.com", "", "a subdomain is another provider"},
      {"a.b@example.com", "", "no rule"},
      {"\"a@gmail.com\"@x", "", "the domain is the last part"},
      {"@googlemail.com", "", "domains are not folded"},
  };
  for (const auto& [input, want, why] : cases) {
    CAPTURE(input);
    CAPTURE(why);
    CHECK(folded(contact(input), providers) == want);
  }
  CHECK(folded(contact("a.b@gmail.com"), {}).empty());
  CHECK(folded(contact("a.b@googlemail.com"), builtin_providers()) == "ab@gmail.com");
}

TEST_CASE("lookup_forms, most specific first") {
  const auto& providers = builtin_providers();
  struct Case {
    std::string_view input;
    Texts exact, folded, domains;
  };
  const Case cases[] = {
      {"X@a.b.example.com",
       {"x@a.b.example.com"},
       {},
       {"@a.b.example.com", "@.b.example.com", "@.example.com", "@.com"}},
      {"x+t@example.com", {"x+t@example.com", "x@example.com"}, {}, {"@example.com", "@.com"}},
      {"x.y+t@googlemail.com",
       {"x.y+t@googlemail.com", "x.y@googlemail.com"},
       {"xy+t@gmail.com", "xy@gmail.com"},
       {"@googlemail.com", "@.com"}},
      {"xy@gmail.com", {"xy@gmail.com"}, {"xy@gmail.com"}, {"@gmail.com", "@.com"}},
      {"x@localhost", {"x@localhost"}, {}, {"@localhost"}},
      {"x@[192.0.2.1]", {"x@[192.0.2.1]"}, {}, {"@[192.0.2.1]"}},
      {"x@[IPv6:::ffff:192.0.2.1]",
       {"x@[ipv6:::ffff:192.0.2.1]"},
       {},
       {"@[ipv6:::ffff:192.0.2.1]"}},
      {"\"x@y.z\"@a.b", {"\"x@y.z\"@a.b"}, {}, {"@a.b", "@.b"}},
      {"@a.b.c", {"@a.b.c"}, {}, {"@.b.c", "@.c"}},
      {"@.a.b.c", {"@.a.b.c"}, {}, {"@.b.c", "@.c"}},
      {"@[192.0.2.1]", {"@[192.0.2.1]"}, {}, {}},
  };
  for (const auto& [input, exact, folded_forms, domains] : cases) {
    CAPTURE(input);
    const auto forms = lookup_forms(contact(input), providers);
    CHECK(texts(forms.exact) == exact);
    CHECK(texts(forms.folded) == folded_forms);
    CHECK(texts(forms.domains) == domains);
  }
}

TEST_CASE("the one mailbox without a domain is found by its own name alone") {
  const auto postmaster = parse_path("<POSTMASTER>", false);
  REQUIRE(postmaster);
  const auto address = canonical(*postmaster);
  CHECK(address.text == "postmaster");
  CHECK(folded(address, builtin_providers()).empty());
  const auto forms = lookup_forms(address, builtin_providers());
  CHECK(texts(forms.exact) == Texts{"postmaster"});
  CHECK(forms.folded.empty());
  CHECK(forms.domains.empty());
}

TEST_CASE("the longest domain has a bounded number of forms") {
  std::string domain = "a";
  while (domain.size() + 2 <= max_domain) domain += ".a";
  const auto forms = lookup_forms(contact("x@" + domain), {});
  CHECK(forms.domains.size() == 128);
  CHECK_FALSE(parse_mailbox("x@" + domain + ".a"));
}
