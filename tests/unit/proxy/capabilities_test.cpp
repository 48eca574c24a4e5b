#include "proxy/capabilities.h"

#include <doctest/doctest.h>

using namespace postern::proxy;

TEST_CASE("capabilities: read from an upstream's EHLO reply") {
  const Capabilities all{.pipelining = true,
                         .eight_bit_mime = true,
                         .smtputf8 = true,
                         .dsn = true,
                         .size = true,
                         .size_limit = 10240000};
  struct {
    const char* text;
    Capabilities want;
    const char* why;
  } const cases[] = {
      {"250-mx\r\n250-pipelining\r\n250-SIZE "
       "10240000\r\n250-8BitMime\r\n250-SMTPUTF8\r\n250-DSN\r\n250 HELP\r\n",
       all, "any case"},
      {"250 mx\r\n", {}, "nothing"},
      {"250 PIPELINING\r\n", {}, "the first line is a name"},
      {"250-mx\r\n250 SIZE\r\n", {.size = true}, "no limit named"},
      {"250-mx\r\n250 SIZE many\r\n", {.size = true}, "a limit that is none"},
      {"250-mx\r\n250 PIPELININGX\r\n", {}, "another keyword"},
  };
  for (const auto& test : cases) {
    CAPTURE(test.why);
    CHECK(parse_capabilities({250, test.text}) == test.want);
  }
}

TEST_CASE("capabilities: what the gate uses itself") {
  const auto found = parse_capabilities(
      {250,
       "250-mx\r\n250-STARTTLS\r\n250-chunking\r\n250-XCLIENT name ADDR  LOGIN\r\n250-XFORWARD\r\n"
       "250-AUTH plain SCRAM-SHA-256 bad*name\r\n250-AUTH=LOGIN PLAIN\r\n250 AUTHOR X\r\n"});
  CHECK(found.starttls);
  CHECK(found.chunking);
  CHECK(found.xclient == "NAME ADDR LOGIN");
  CHECK(found.xforward.empty());
  CHECK(found.auth == std::vector<std::string>{"PLAIN", "SCRAM-SHA-256", "LOGIN"});
  std::string many = "250-mx\r\n250 AUTH";
  for (int i = 0; i < 1000; ++i) many += " X" + std::to_string(i);
  CHECK(parse_capabilities({250, many + "\r\n"}).auth.size() == 40);
}

TEST_CASE("capabilities: offered again as they were read") {
  const Capabilities all{.pipelining = true,
                         .eight_bit_mime = true,
                         .smtputf8 = true,
                         .dsn = true,
                         .size = true,
                         .size_limit = 7,
                         .starttls = true,
                         .auth = {"PLAIN", "LOGIN"}};
  CHECK(parse_capabilities(ehlo_reply("gate.example", all, {.starttls = true})) == all);
  CHECK(ehlo_reply("gate.example", Capabilities{}, {}).text ==
        "250-gate.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n");
}

TEST_CASE("capabilities: what a transaction needs") {
  postern::wire::MailParameters mail;
  CHECK(missing({}, needed_by(mail)) == "");
  mail.body = postern::wire::Body::eight_bit_mime;
  CHECK(missing({}, needed_by(mail)) == "8BITMIME");
  mail.smtputf8 = true;
  CHECK(missing({.eight_bit_mime = true}, needed_by(mail)) == "SMTPUTF8");
  mail.envid = "x";
  CHECK(missing({.eight_bit_mime = true, .smtputf8 = true}, needed_by(mail)) == "DSN");
}
