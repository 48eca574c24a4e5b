// AUTH as it passes the gate (RFC 4954): which mechanisms can be relayed an exchange at a time, and
// who authenticates, as far as the client's responses say it. Nothing here is ever logged.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::wire {

// RFC 4954 section 4.3: of a line of the exchange, CRLF included.
inline constexpr std::size_t max_auth_line = 12'288;

// A mechanism that works through a relay. Not those that bind to the TLS of one hop (-PLUS,
// EXTERNAL: RFC 5801, RFC 4422 appendix A), nor those that may wrap what follows in a layer of
// their own (GSSAPI, DIGEST-MD5, ...).
[[nodiscard]] bool can_relay(std::string_view mechanism);

// RFC 4422 section 3.1: 1 to 20 upper-case letters, digits, hyphens and underscores.
[[nodiscard]] bool is_mechanism(std::string_view text);

// RFC 4648 section 4, padding included; the empty text is.
[[nodiscard]] bool is_base64(std::string_view text);

// Gathers the name of who authenticates from the responses of one exchange.
class LoginReader {
 public:
  // `mechanism` in upper case; one that is not known tells no login.
  explicit LoginReader(std::string_view mechanism);

  // The mechanism begins with a response of the client, which says who it is.
  [[nodiscard]] bool client_first() const { return form_ != Form::unknown && form_ != Form::cram; }
  // Two responses in place of one: the challenge for the name is the text "Username:".
  [[nodiscard]] bool asks_for_name() const { return form_ == Form::login; }

  // The next response, as it came; base64, or "=" for an empty initial one (section 4).
  void response(std::string_view base64);
  // Empty: not known (yet). Otherwise octets without controls, at most 256.
  [[nodiscard]] const std::string& login() const { return login_; }

 private:
  enum class Form : unsigned char { unknown, plain, login, cram, scram, xoauth2, oauthbearer };
  Form form_ = Form::unknown;
  bool asked_ = false;
  std::string login_;
};

}  // namespace postern::wire
