#include "web/mask.h"

#include <doctest/doctest.h>

using namespace postern;

TEST_CASE("mask: the owner knows it again, nobody else learns it") {
  struct Case {
    const char* address;
    const char* want;
  };
  const Case cases[] = {
      {"marie@example.fr", "m•••@e•••.fr"},
      {"m@e.fr", "m•••@e•••.fr"},
      {"jane+news@mail.example.co.uk", "j•••@m•••.uk"},
      {"\"jane doe\"@example.com", "j•••@e•••.com"},
      {"\"a@b\"@example.com", "a•••@e•••.com"},
      {"élise@example.com", "é•••@e•••.com"},
      {"jane@[192.0.2.1]", "j•••@[•••]"},
      {"root@localhost", "r•••@l•••"},
  };
  for (const auto& [address, want] : cases) {
    CAPTURE(address);
    CHECK(web::masked({address}) == want);
  }
}
