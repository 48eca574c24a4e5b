#include "proxy/wire/auth.h"

#include <string>

#include <doctest/doctest.h>

using namespace postern::wire;

TEST_CASE("auth: mechanisms that work through a relay") {
  for (const auto* name : {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2",
                           "OAUTHBEARER", "NTLM", "X_NEW"}) {
    CAPTURE(name);
    CHECK(can_relay(name));
  }
  for (const auto* name : {"SCRAM-SHA-256-PLUS", "EXTERNAL", "GSSAPI", "GS2-KRB5", "DIGEST-MD5", "",
                           "plain", "TWO WORDS", "A-NAME-OF-MORE-THAN-20"}) {
    CAPTURE(name);
    CHECK_FALSE(can_relay(name));
  }
}

TEST_CASE("auth: base64") {
  for (const auto* text : {"", "AGEAYg==", "YWI=", "YWJj", "+/+/"}) CHECK(is_base64(text));
  for (const auto* text : {"=", "A", "AB", "ABC", "A===", "AB=C", "AB C", "====", "AGEAYg==\t"}) {
    CAPTURE(text);
    CHECK_FALSE(is_base64(text));
  }
}

TEST_CASE("auth: who it is") {
  struct {
    const char* mechanism;
    const char* response;
    const char* login;
    const char* why;
  } const cases[] = {
      {"PLAIN", "AGFubmFAZXhhbXBsZS5jb20Ac2VjcmV0", "anna@example.com", "the authenticating one"},
      {"PLAIN", "Ym9zcwBhbm5hAHNlY3JldA==", "anna", "not whom they act for"},
      {"PLAIN", "YW5uYQ==", "", "no NUL"},
      {"PLAIN", "AGFubmEK", "", "one NUL alone"},
      {"LOGIN", "YW5uYQ==", "anna", "the first response"},
      {"LOGIN", "YW4KbmE=", "", "a control"},
      {"CRAM-MD5", "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw", "tim", "RFC 2195"},
      {"SCRAM-SHA-256", "biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=", "user", "RFC 7677"},
      {"SCRAM-SHA-1", "bixhPWJvc3Msbj1hPTJDYj0zRGMscj14", "a,b=c", "escapes of RFC 5802"},
      {"XOAUTH2", "dXNlcj1hbm5hQGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIHh5egEB", "anna@example.com",
       "before the token"},
      {"OAUTHBEARER", "bixhPWFubmFAZXhhbXBsZS5jb20sAWhvc3Q9eAFhdXRoPUJlYXJlciB4eXoBAQ==",
       "anna@example.com", "RFC 7628"},
      {"X-OTHER", "YW5uYQ==", "", "nobody knows what it says"},
  };
  for (const auto& [mechanism, response, login, why] : cases) {
    CAPTURE(why);
    LoginReader reader(mechanism);
    reader.response(response);
    CHECK(reader.login() == login);
  }
}

TEST_CASE("auth: only the first response tells it") {
  LoginReader reader("LOGIN");
  reader.response("=");
  CHECK(reader.login().empty());
  reader.response("YW5uYQ==");
  reader.response("c2VjcmV0");
  CHECK(reader.login() == "anna");
}
