#include "proxy/wire/policy_request.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace postern::wire;
using State = ParsedPolicyRequest::State;

namespace {

// As Postfix 3.7 sends it.
constexpr std::string_view of_postfix =
    "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
    "client_address=127.0.0.1\nclient_name=localhost\nclient_port=43210\n"
    "reverse_client_name=localhost\nserver_address=127.0.0.1\nserver_port=25\n"
    "helo_name=client.test\nsender=news@example.org\nrecipient=ann@example.com\n"
    "recipient_count=0\nqueue_id=\ninstance=1a2b.65f0c3d1.9c4ad.0\nsize=0\netrn_domain=\n"
    "stress=\nsasl_method=plain\nsasl_username=office\nsasl_sender=\nccert_subject=\n"
    "ccert_issuer=\nccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=\n"
    "encryption_cipher=\nencryption_keysize=0\npolicy_context=\n\n";

std::string request_of(std::string_view lines) {
  return "request=smtpd_access_policy\n" + std::string(lines) + "\n";
}

}  // namespace

TEST_CASE("a request as Postfix sends it") {
  const auto parsed = parse_policy_request(of_postfix);
  REQUIRE(parsed.state == State::complete);
  CHECK(parsed.consumed == of_postfix.size());
  CHECK(parsed.request.protocol_state == "RCPT");
  CHECK(parsed.request.sender == "news@example.org");
  CHECK(parsed.request.recipient == "ann@example.com");
  CHECK(parsed.request.sasl_username == "office");
}

TEST_CASE("cut anywhere it is read on, and what follows it is left alone") {
  for (std::size_t cut = 0; cut < of_postfix.size(); ++cut) {
    CAPTURE(cut);
    CHECK(parse_policy_request(of_postfix.substr(0, cut)).state == State::incomplete);
  }
  const std::string two = request_of("recipient=a@b.example\n") + "request=some";
  const auto parsed = parse_policy_request(two);
  CHECK(parsed.state == State::complete);
  CHECK(two.substr(parsed.consumed) == "request=some");
}

TEST_CASE("what a value holds, and which counts") {
  struct Case {
    std::string_view lines;
    std::string_view recipient;
    std::string_view why;
  };
  for (const auto& [lines, recipient, why] : {
           Case{"recipient=a=b@c.example\n", "a=b@c.example", "a value may hold ="},
           Case{"recipient=\n", "", "said to be empty"},
           Case{"size=10\n", "", "not said"},
           Case{"Recipient=x@y.example\n", "", "names are what they are"},
           Case{"recipient=x@y.example\nrecipient=z@y.example\n", "z@y.example", "the last"},
           Case{"recipient=a b@c.example\n", "a b@c.example", "Postfix takes the quotes off"},
           Case{"recipient=j\xc3\xb6rg@c.example\n", "j\xc3\xb6rg@c.example", "SMTPUTF8"},
           Case{"newer=\xff\xfe\n", "", "what it does not know it passes over"},
       }) {
    CAPTURE(why);
    const auto input = request_of(lines);
    const auto parsed = parse_policy_request(input);
    REQUIRE(parsed.state == State::complete);
    CHECK(parsed.request.recipient == recipient);
  }
}

TEST_CASE("what is no request") {
  struct Case {
    std::string input;
    std::string_view why;
  };
  std::string many = "request=smtpd_access_policy\n";
  for (std::size_t i = 0; i < max_policy_attributes; ++i) many += "a=\n";
  std::string large;
  while (large.size() <= max_policy_request) large += "a=" + std::string(1000, 'x') + "\n";
  const Case cases[] = {
      {"\n", "an empty line alone"},
      {"recipient=a@b.example\n\n", "it does not say what it is"},
      {"request=junk_mail\n\n", "another kind"},
      {"GET / HTTP/1.1\n", "another protocol"},
      {"request=smtpd_access_policy\r\n\r\n", "lines end with LF alone"},
      {"=x\n", "no name"},
      {std::string("recipient=a\0b@c.example\n", 24), "NUL"},
      {"recipient=a\rb@c.example\n", "CR"},
      {std::string(max_policy_line + 1, 'x'), "a line without an end"},
      {"a=" + std::string(max_policy_line, 'x') + "\n", "a line over the limit"},
      {many, "attributes without an end"},
      {large, "a request without an end"},
  };
  for (const auto& [input, why] : cases) {
    CAPTURE(why);
    const auto parsed = parse_policy_request(input);
    CHECK(parsed.state == State::malformed);
    CHECK(!parsed.fault.empty());
  }
}

TEST_CASE("the limits themselves are kept within") {
  const auto longest = request_of("a=" + std::string(max_policy_line - 2, 'x') + "\n");
  CHECK(parse_policy_request(longest).state == State::complete);
  std::string many;
  for (std::size_t i = 1; i < max_policy_attributes; ++i) many += "a=\n";
  CHECK(parse_policy_request(request_of(many)).state == State::complete);
  std::string large;
  while (large.size() < 3 * max_policy_line) large += "a=" + std::string(1000, 'x') + "\n";
  const auto frame = request_of("").size() + std::string_view("a=\n").size();
  large += "a=" + std::string(max_policy_request - large.size() - frame, 'x') + "\n";
  const auto whole = request_of(large);
  REQUIRE(whole.size() == max_policy_request);
  CHECK(parse_policy_request(whole).state == State::complete);
}
