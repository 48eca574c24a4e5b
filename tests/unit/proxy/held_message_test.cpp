// A message that is held: in memory, then in a file, the same octets either way.
#include "proxy/held_message.h"

#include "base/text.h"

#include <array>
#include <string>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::proxy;

namespace {

std::string read(const HeldMessage& message, std::size_t at_a_time) {
  std::string buffer(at_a_time, '\0');
  std::string out;
  while (true) {
    const auto piece = message.piece(out.size(), buffer);
    REQUIRE(piece);
    if (piece->empty()) return out;
    out += *piece;
  }
}

}  // namespace

TEST_CASE("held message: what was put in comes out, whatever its size") {
  for (const std::size_t in_memory : {0U, 1U, 100U, 10'000U}) {
    CAPTURE(in_memory);
    HeldMessage message(in_memory);
    CHECK(read(message, 7).empty());
    std::string want;
    for (int i = 0; i < 300; ++i) {
      const std::string piece(static_cast<std::size_t>(i % 17), static_cast<char>('a' + i % 26));
      REQUIRE(message.append(piece));
      want += piece;
    }
    CHECK(message.size() == want.size());
    CHECK(read(message, 7) == want);
    CHECK(read(message, 100'000) == want);
    message.clear();
    CHECK(message.size() == 0);
    CHECK(read(message, 7).empty());
  }
}

TEST_CASE("content digest: SHA-256, however it is cut") {
  ContentDigest whole;
  whole.add("abc");
  const auto digest = whole.finish();
  // FIPS 180-2, appendix B.1.
  CHECK(to_hex(digest) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  ContentDigest pieces;
  for (const char* piece : {"a", "", "bc"}) pieces.add(piece);
  CHECK(pieces.finish() == digest);
}
