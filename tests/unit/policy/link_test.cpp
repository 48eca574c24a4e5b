#include "policy/link.h"

#include "base/text.h"
#include "policy/base32.h"
#include "policy/contact.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::policy;

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

LinkSubject subject() {
  return {.address = {"jane.roe@example.com"},
          .stream = "newsletter",
          .campaign = "spring-2026",
          .day = 20'500};
}

template <class... Arguments>
std::string sealed(const LinkKeys& with, const Arguments&... arguments) {
  auto token = with.seal(arguments...);
  if (!token) FAIL(token.error().text);
  return *std::move(token);
}

std::string to_upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  return text;
}

Time at(int second) { return Time{std::chrono::seconds{1'800'000'000 + second}}; }

}  // namespace

TEST_CASE("link: what was sealed is opened, in lower and in upper case") {
  const auto with = keys({key(1, 7)});
  const std::vector<LinkSubject> subjects{
      subject(),
      {.address = {"a@b"}, .stream = {}, .campaign = {}, .day = 0},
      {.address = {std::string(max_link_address, 'a')},
       .stream = std::string(max_stream_name, 's'),
       .campaign = std::string(max_link_campaign, 'c'),
       .day = 0xFFFF'FFFF},
      {.address = {"m\u00FCller@xn--mnchen-3ya.example"}, .stream = "\u00FC", .campaign = "\u00FC"},
      {.address = {std::string("a\0b@c", 5)}, .stream = {}, .campaign = std::string(3, '\0')},
  };
  for (const LinkSubject& one : subjects) {
    const auto token = sealed(with, one);
    CHECK(std::ranges::all_of(
        token, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); }));
    CHECK(with.open(token) == one);
    CHECK(with.open(to_upper(token)) == one);
  }
}

TEST_CASE("link: the same subject has the same link, and another has another") {
  const auto with = keys({key(1, 7)});
  CHECK(sealed(with, subject()) == sealed(keys({key(1, 7)}), subject()));
  auto other = subject();
  ++other.day;
  const auto token = sealed(with, subject());
  const auto other_token = sealed(with, other);
  // Nothing behind the version and the key's number is alike.
  CHECK(token.substr(0, 8) == other_token.substr(0, 8));
  CHECK(token.substr(8, 24) != other_token.substr(8, 24));
  CHECK(token.substr(48) != other_token.substr(48));
}

TEST_CASE("link: an octet that was changed anywhere is noticed") {
  const auto with = keys({key(1, 7)});
  const auto token = sealed(with, subject());
  auto octets = from_base32(token).value();
  for (std::size_t bit = 0; bit < octets.size() * 8; ++bit) {
    const auto mask = static_cast<std::uint8_t>(1U << bit % 8);
    octets[bit / 8] ^= mask;
    CAPTURE(bit);
    CHECK_FALSE(with.open(to_base32(octets)));
    octets[bit / 8] ^= mask;
  }
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (const char c : {'a', '7', '-'}) {
      auto wrong = token;
      if (std::exchange(wrong[i], c) == c) continue;
      CAPTURE(wrong);
      CHECK_FALSE(with.open(wrong));
    }
  }
}

TEST_CASE("link: a token that was cut, lengthened, or is none is not opened") {
  const auto with = keys({key(1, 7)});
  const auto token = sealed(with, subject());
  for (std::size_t size = 0; size < token.size(); ++size) {
    CHECK_FALSE(with.open(std::string_view(token).substr(0, size)));
    CHECK_FALSE(with.open(std::string_view(token).substr(token.size() - size)));
  }
  for (const char* const more : {"a", "aaaaaaaa", "=", ".", " ", "\n"}) {
    CHECK_FALSE(with.open(token + more));
    CHECK_FALSE(with.open(more + token));
  }
  CHECK_FALSE(with.open(token + token));
  CHECK_FALSE(with.open(std::string(1'000'000, 'a')));
  CHECK_FALSE(with.open(std::string_view("\0", 1)));
}

TEST_CASE("link: keys rotate, and what an older one sealed is opened still") {
  const auto before = keys({key(1, 7)});
  const auto after = keys({key(1, 7), key(2, 9)});
  const auto old_token = sealed(before, subject());
  const auto new_token = sealed(after, subject());
  CHECK(old_token != new_token);
  CHECK(after.open(old_token) == subject());
  CHECK(after.open(new_token) == subject());
  CHECK_FALSE(before.open(new_token));
  // Another secret under the same number.
  CHECK_FALSE(keys({key(1, 8)}).open(old_token));
  // The same secret under another number.
  CHECK_FALSE(keys({key(3, 7)}).open(old_token));

  CHECK_FALSE(LinkKeys::create({}));
  CHECK_FALSE(LinkKeys::create({key(1, 7), key(2, 8), key(1, 9)}));
}

TEST_CASE("link: a token's length tells the length of what is in it no closer than 16 octets") {
  const auto with = keys({key(1, 7)});
  std::vector<std::size_t> lengths;
  for (std::size_t size = 1; size <= 64; ++size) {
    const auto token = sealed(
        with, LinkSubject{.address = {std::string(size, 'a')}, .stream = {}, .campaign = {}});
    CHECK(from_base32(token)->size() % 16 == 5);
    lengths.push_back(token.size());
  }
  CHECK(std::ranges::is_sorted(lengths));
  lengths.erase(std::ranges::unique(lengths).begin(), lengths.end());
  CHECK(lengths.size() == 5);
}

TEST_CASE("link: a link of the longest usual address fits into a line of mail") {
  const auto token = sealed(keys({key(1, 7)}), LinkSubject{.address = {std::string(254, 'a')},
                                                           .stream = std::string(64, 's'),
                                                           .campaign = std::string(200, 'c')});
  CHECK(token.size() <= 998 - 100);  // RFC 5322 section 2.1.1, and the URL in front
}

TEST_CASE("link: what is too long is refused, a campaign is cut between two characters") {
  const auto with = keys({key(1, 7)});
  auto one = subject();
  one.address.text.assign(max_link_address + 1, 'a');
  CHECK(with.seal(one).error().code == Errc::invalid);
  one.address.text.clear();
  CHECK(with.seal(one).error().code == Errc::invalid);
  one = subject();
  one.stream.assign(max_stream_name + 1, 's');
  CHECK(with.seal(one).error().code == Errc::invalid);

  one = subject();
  const std::string almost(max_link_campaign - 1, 'c');
  one.campaign = almost + "\u00FC and more";
  CHECK(with.open(sealed(with, one))->campaign == almost);
  one.campaign = almost + "x and more";
  CHECK(with.open(sealed(with, one))->campaign == almost + "x");
  one.campaign.assign(1000, '\x80');
  CHECK(with.open(sealed(with, one))->campaign.size() <= max_link_campaign);
}

TEST_CASE("link: a companion is of its purpose and its time, and no link") {
  const auto with = keys({key(1, 7), key(2, 9)});
  const std::string octets("any\0octets\xFF", 11);
  const auto token = sealed(with, "undo", octets, at(600));
  CHECK(with.open("undo", token, at(0)) == octets);
  CHECK(with.open("undo", to_upper(token), at(599)) == octets);
  CHECK_FALSE(with.open("undo", token, at(600)));
  CHECK_FALSE(with.open("undone", token, at(0)));
  CHECK_FALSE(with.open("", token, at(0)));
  CHECK_FALSE(with.open(token));
  CHECK_FALSE(with.open("", sealed(with, subject()), at(0)));
  const auto unnamed = sealed(with, "", "", at(600));
  CHECK(with.open("", unnamed, at(0)) == "");
  CHECK_FALSE(with.open(unnamed));
  CHECK(keys({key(2, 9), key(3, 1)}).open("undo", token, at(0)) == octets);

  const std::string most(max_sealed_octets, 'x');
  CHECK(with.open("undo", sealed(with, "undo", most, at(600)), at(0)) == most);
  CHECK(with.seal("undo", most + "x", at(600)).error().code == Errc::invalid);
}

TEST_CASE("link: random keys differ in every part") {
  const auto one = random_link_key(1);
  const auto two = random_link_key(2);
  REQUIRE(one);
  REQUIRE(two);
  CHECK(two->id == 2);
  CHECK(one->secret != two->secret);
  CHECK_FALSE(std::equal(one->secret.begin(), one->secret.begin() + 32, one->secret.begin() + 32));
}

TEST_CASE("link: one set of keys serves many threads") {
  const auto with = keys({key(1, 7)});
  std::array<int, 4> wrong{};
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < wrong.size(); ++i) {
      threads.emplace_back([&, i] {
        for (int n = 0; n < 500; ++n) {
          auto one = subject();
          one.campaign = std::to_string(i) + "." + std::to_string(n);
          const auto token = with.seal(one);
          wrong[i] += !token || with.open(*token) != one;
        }
      });
    }
  }
  CHECK(wrong == std::array<int, 4>{});
}
