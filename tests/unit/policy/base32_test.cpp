#include "policy/base32.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern::policy;

namespace {

std::string written(std::string_view text) {
  return to_base32({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::string read(std::string_view text) {
  const auto octets = from_base32(text);
  return octets ? std::string(octets->begin(), octets->end()) : "(none)";
}

}  // namespace

TEST_CASE("base32: the vectors of RFC 4648 section 10, in lower case and without padding") {
  struct Case {
    std::string_view text, want;
  };
  for (const auto& [text, want] :
       {Case{"", ""}, Case{"f", "my"}, Case{"fo", "mzxq"}, Case{"foo", "mzxw6"},
        Case{"foob", "mzxw6yq"}, Case{"fooba", "mzxw6ytb"}, Case{"foobar", "mzxw6ytboi"}}) {
    CHECK(written(text) == want);
    CHECK(base32_size(text.size()) == want.size());
    CHECK(read(want) == text);
  }
  CHECK(read("MZXW6YTBOI") == "foobar");
  CHECK(read("MzXw6yTbOi") == "foobar");
}

TEST_CASE("base32: an octet string has one spelling") {
  CHECK(read("mz") == "(none)");        // stray bits
  CHECK(read("mzxr") == "(none)");      // stray bits
  CHECK(read("mzxw6yt") == "(none)");   // stray bits
  CHECK(read("m") == "(none)");         // no whole octet
  CHECK(read("mya") == "(none)");       // a character too many
  CHECK(read("mzxw6a") == "(none)");    // a character too many
  CHECK(read("my======") == "(none)");  // padding
  CHECK(read("mzxw0ytb") == "(none)");  // 0, 1, 8 and 9 are no digits
  CHECK(read("mzxw ytb") == "(none)");  // blank
  CHECK(read("mzxw\xC3\xBCtb") == "(none)");
  CHECK(read(std::string_view("mzxw\0ytb", 8)) == "(none)");
}
