#include "proxy/wire/orcpt.h"

#include "proxy/wire/command.h"

#include <doctest/doctest.h>

using namespace postern;

TEST_CASE("orcpt: of a recipient as the sender knew it") {
  struct Row {
    std::string address;
    std::string want;
    const char* why;
  };
  const Row rows[] = {
      {"Jane.Roe@example.com", "rfc822;Jane.Roe@example.com", "case of the local part is kept"},
      {"jane+news@example.com", "rfc822;jane+2Bnews@example.com", "a plus is hexadecimal"},
      {"a=b@example.com", "rfc822;a+3Db@example.com", "so is an equals sign"},
      {"\"two words\"@example.com", "rfc822;\"two+20words\"@example.com", "and a blank"},
      {"j\u00fcrgen@m\u00fcller.example", "utf-8;j\\x{FC}rgen@xn--mller-kva.example",
       "RFC 6533: the code point; the domain as A-labels"},
      {"j\u00fc+x=\u4e2d\U0001f600@example.com",
       "utf-8;j\\x{FC}\\x{2B}x\\x{3D}\\x{4E2D}\\x{1F600}@example.com", "of every length"},
  };
  for (const auto& [address, want, why] : rows) {
    CAPTURE(why);
    const auto mailbox = policy::parse_mailbox(address);
    REQUIRE(mailbox);
    const auto orcpt = wire::original_recipient(*mailbox, true);
    CHECK(orcpt == want);
    // What we add is what we would take.
    const auto command = wire::parse_command("RCPT TO:<x@example.com> ORCPT=" + orcpt);
    CHECK_FALSE(command.error);
    CHECK(command.recipient.orcpt == want);
  }
}

TEST_CASE("orcpt: none where it does not fit") {
  const policy::Mailbox foreign{.local_part = "j\u00fcrgen", .domain = "example.com"};
  CHECK(wire::original_recipient(foreign, false).empty());
  const policy::Mailbox pluses{.local_part = std::string(200, '+'), .domain = "example.com"};
  CHECK(wire::original_recipient(pluses, false).empty());
}
