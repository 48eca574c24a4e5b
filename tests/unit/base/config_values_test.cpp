#include "base/config_values.h"

#include <array>
#include <string>

#include <doctest/doctest.h>

using namespace postern::config;

TEST_CASE("config values: the public address") {
  for (const auto* good :
       {"https://unsub.example.com", "https://unsub.example.com:8443/a/b", "http://127.0.0.1:8525",
        "http://localhost", "http://[::1]:80/x", "https://example.com/"}) {
    CAPTURE(good);
    CHECK(check_public_url(good).empty());
  }
  for (const auto* bad : {"unsub.example.com", "http://unsub.example.com", "https://", "https:///x",
                          "https://a@example.com", "https://example.com?x", "https://example.com/#",
                          "https://exa mple.com", "https://example.com:port", "ftp://example.com",
                          "http://10.0.0.1", "https://ex\u00e4mple.com"}) {
    CAPTURE(bad);
    CHECK_FALSE(check_public_url(bad).empty());
  }
}

TEST_CASE("config values: a colour that white text can be read on") {
  for (const auto* good : {"#000000", "#1d4ed8", "#767676", "#7A1F3D"}) {
    CAPTURE(good);
    CHECK(check_colour(good).empty());
  }
  for (const auto* bad : {"", "red", "#fff", "#1d4ed", "#1d4ed88", "#-1+2 3", "1d4ed8#"}) {
    CAPTURE(bad);
    CHECK(check_colour(bad).contains("is no colour"));
  }
  for (const auto* light : {"#ffffff", "#777777", "#ffd700"}) {
    CAPTURE(light);
    CHECK(check_colour(light).contains("too light"));
  }
}

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
