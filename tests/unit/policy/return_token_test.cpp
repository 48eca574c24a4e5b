#include "policy/return_token.h"

#include "base/text.h"
#include "policy/base32.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::policy;
using namespace std::chrono_literals;

namespace {

LinkKey key(std::uint32_t id, std::uint8_t octet) {
  LinkKey made{.id = id};
  made.secret.fill(octet);
  made.secret.back() = static_cast<std::uint8_t>(octet + 1);
  return made;
}

LinkKeys keys(std::vector<LinkKey> list) {
  auto made = LinkKeys::create(std::move(list));
  if (!made) FAIL(made.error().text);
  return *std::move(made);
}

ReturnToken bounce() {
  ReturnToken token{.context = 0x0102'0304'0506'0708, .day = 20'514};
  for (std::size_t i = 0; i < token.contact.size(); ++i) {
    token.contact[i] = static_cast<std::uint8_t>(0xf0 + i);
  }
  return token;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  return text;
}

}  // namespace

TEST_CASE("return token: what was made is checked, in lower and in upper case") {
  const ReturnTokens tokens(keys({key(1, 7)}));
  for (const auto kind : {ReturnKind::bounce, ReturnKind::unsubscribe}) {
    auto said = bounce();
    said.kind = kind;
    const auto text = tokens.make(said);
    CHECK(text.size() == return_token_size);
    CHECK(text.size() <= 64);
    CHECK(text == to_lower(text));
    CHECK(tokens.check(text) == said);
    CHECK(tokens.check(upper(text)) == said);
    CHECK(tokens.make(said) == text);
  }
}

// Tokens that are on their way must be known by every later program.
TEST_CASE("return token: its form is fixed") {
  const ReturnTokens tokens(keys({key(33, 7)}));
  const auto octets = from_base32(tokens.make(bounce()));
  REQUIRE(octets);
  CHECK(to_hex(std::span(*octets).first(27)) ==
        "4101020304050607085022f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  CHECK(tokens.make(bounce()) == "ieaqeayeaudaoccqelypd4xt6t27n57y7h5px7h5737ru5oqwo64qdssdmya");
  CHECK(tokens.hash({"newsletter", "news@example.com"}) == 6800492945708025998U);
}

TEST_CASE("return token: nothing that was altered is authentic") {
  const ReturnTokens tokens(keys({key(1, 7), key(2, 8)}));
  const auto text = tokens.make(bounce());
  const auto octets = from_base32(text);
  REQUIRE(octets);
  for (std::size_t bit = 0; bit < octets->size() * 8; ++bit) {
    auto damaged = *octets;
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    CAPTURE(bit);
    CHECK_FALSE(tokens.check(to_base32(damaged)));
  }
  CHECK_FALSE(tokens.check(""));
  CHECK_FALSE(tokens.check(text.substr(1)));
  CHECK_FALSE(tokens.check(text + "a"));
  CHECK_FALSE(tokens.check("1" + text.substr(1)));
  CHECK_FALSE(tokens.check(std::string(60, 'a')));
}

TEST_CASE("return token: old keys go on checking, the last one makes, also of the same low bits") {
  const ReturnTokens before(keys({key(1, 7)}));
  const ReturnTokens after(keys({key(1, 7), key(33, 8)}));
  const ReturnTokens others(keys({key(33, 9)}));
  const auto old_text = before.make(bounce());
  const auto new_text = after.make(bounce());
  CHECK(old_text != new_text);
  CHECK(after.check(old_text) == bounce());
  CHECK(after.check(new_text) == bounce());
  CHECK_FALSE(before.check(new_text));
  CHECK_FALSE(others.check(new_text));
  CHECK(before.hash({"s", "a@b"}) == after.hash({"s", "a@b"}));
}

TEST_CASE("return token: a context has its own hash") {
  const ReturnTokens tokens(keys({key(1, 7)}));
  const ReturnTokens others(keys({key(1, 8)}));
  const std::vector<ReturnContext> contexts{{"newsletter", "a@example.com"},
                                            {"newsletter", "b@example.com"},
                                            {"news", "a@example.com"},
                                            {"newsletter", ""},
                                            {"", "newsletter"},
                                            {"newsletterb", "@example.com"}};
  std::set<std::uint64_t> hashes;
  for (const auto& context : contexts) {
    hashes.insert(tokens.hash(context));
    CHECK(tokens.hash(context) == tokens.hash(context));
    CHECK(tokens.hash(context) != others.hash(context));
  }
  CHECK(hashes.size() == contexts.size());
}

TEST_CASE("return token: how long it is good for") {
  ReturnToken token = bounce();
  const Time made{std::chrono::days{token.day}};
  const auto day = 24h;
  CHECK_FALSE(expired(token, made, 30 * day));
  CHECK_FALSE(expired(token, made - 2 * day, 30 * day));  // a clock that was set back
  CHECK_FALSE(expired(token, made + 31 * day - 1s, 30 * day));
  CHECK(expired(token, made + 31 * day, 30 * day));
  token.kind = ReturnKind::unsubscribe;
  CHECK_FALSE(expired(token, made + 36'500 * day, 30 * day));
}
