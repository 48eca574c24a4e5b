#include "base/config_values.h"

#include <array>
#include <string>

#include <doctest/doctest.h>

using namespace postern::config;

TEST_CASE("config values: names") {
  for (const auto& name :
       {std::string("a"), std::string("News_2026.de-at"), std::string(64, 'x')}) {
    CHECK(check_name(name).empty());
    CHECK(check_stream_name(name).empty());
  }
  for (const auto& name :
       {std::string(), std::string(65, 'x'), std::string("a b"), std::string("a/b"),
        std::string("\xc3\xa9t\xc3\xa9"), std::string("a\n")}) {
    CHECK_FALSE(check_name(name).empty());
  }
  CHECK(check_name("all").empty());
  CHECK_FALSE(check_stream_name("all").empty());
}

TEST_CASE("config values: sender patterns") {
  for (const auto pattern : {"*", "*@news.example.com", "bounce-*@*", "offers-*", "@example.com",
                             "j\xc3\xb6rg@example.com", "*@m\xc3\xbcller.de"}) {
    CAPTURE(pattern);
    CHECK(check_sender_pattern(pattern).empty());
  }
  for (const auto pattern : {"", " ", "a@b@c", "a @b", "a@b\n", "a\x7f@b"}) {
    CAPTURE(pattern);
    CHECK_FALSE(check_sender_pattern(pattern).empty());
  }
}

TEST_CASE("config values: the key that was meant") {
  constexpr std::array<std::string_view, 4> known{"address", "name", "tls", "tls_mode"};
  struct Case {
    std::string_view key, want;
  };
  for (const auto& [key, want] :
       {Case{"adress", "address"}, Case{"Address", "address"}, Case{"nmae", ""},
        Case{"nam", "name"}, Case{"tls-mode", "tls_mode"}, Case{"ssl", ""}, Case{"tsl", ""},
        Case{"certificate", ""}, Case{"", ""}}) {
    CAPTURE(key);
    CHECK(nearest(key, known) == want);
  }
  CHECK(nearest(std::string(100'000, 'a'), known).empty());
}
