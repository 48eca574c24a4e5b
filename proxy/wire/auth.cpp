#include "proxy/wire/auth.h"

#include <algorithm>
#include <array>
#include <optional>

#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace postern::wire {

namespace {

constexpr std::size_t longest_login = 256;
constexpr std::size_t longest_mechanism = 20;

bool is_base64_octet(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/';
}

// What a response says in clear; wiped when it is done with.
class Secret {
 public:
  explicit Secret(std::string_view base64) {
    text_.resize(base64.size() / 4 * 3);
    const auto padding = base64.ends_with("==") ? 2U : base64.ends_with('=') ? 1U : 0U;
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(text_.data()),
                                     reinterpret_cast<const unsigned char*>(base64.data()),
                                     static_cast<int>(base64.size()));
    text_.resize(size < 0 ? 0 : static_cast<std::size_t>(size) - padding);
  }
  ~Secret() { OPENSSL_cleanse(text_.data(), text_.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  std::string text_;
};

// RFC 5802 section 5.1: "=2C" and "=3D" in a name.
std::string sasl_name(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    const bool comma = text.starts_with("=2C");
    const bool escaped = comma || text.starts_with("=3D");
    name += comma ? ',' : escaped ? '=' : text.front();
    text.remove_prefix(escaped ? 3 : 1);
  }
  return name;
}

// The value of `key` in a list of attributes that `separator` ends.
std::optional<std::string_view> attribute(std::string_view text, std::string_view key,
                                          char separator) {
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    const auto item = text.substr(0, end);
    if (item.starts_with(key)) return item.substr(key.size());
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::nullopt;
}

// RFC 4616: authorization identity, NUL, authentication identity, NUL, password.
std::string plain_login(std::string_view text) {
  const auto first = text.find('\0');
  if (first == std::string_view::npos) return {};
  const auto second = text.find('\0', first + 1);
  if (second == std::string_view::npos) return {};
  return std::string(text.substr(first + 1, second - first - 1));
}

// RFC 2195: the name, a blank, the digest.
std::string cram_login(std::string_view text) {
  const auto blank = text.rfind(' ');
  return blank == std::string_view::npos ? std::string() : std::string(text.substr(0, blank));
}

// RFC 5802 section 7: the header of GS2, then "n=" and the name.
std::string scram_login(std::string_view text) {
  const auto flag = text.find(',');
  if (flag == std::string_view::npos) return {};
  const auto identity = text.find(',', flag + 1);
  if (identity == std::string_view::npos) return {};
  return sasl_name(attribute(text.substr(identity + 1), "n=", ',').value_or(std::string_view{}));
}

}  // namespace

bool is_mechanism(std::string_view text) {
  return !text.empty() && text.size() <= longest_mechanism && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

bool can_relay(std::string_view mechanism) {
  constexpr std::array<std::string_view, 5> never{"EXTERNAL", "GSSAPI", "GSS-SPNEGO", "DIGEST-MD5",
                                                  "KERBEROS_V4"};
  return is_mechanism(mechanism) && !mechanism.ends_with("-PLUS") &&
         !mechanism.starts_with("GS2-") && std::ranges::find(never, mechanism) == never.end();
}

bool is_base64(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  if (text.ends_with('=')) text.remove_suffix(1);
  if (text.ends_with('=')) text.remove_suffix(1);
  return std::ranges::all_of(text, is_base64_octet);
}

LoginReader::LoginReader(std::string_view mechanism) {
  if (mechanism == "PLAIN") form_ = Form::plain;
  if (mechanism == "LOGIN") form_ = Form::login;
  if (mechanism == "CRAM-MD5") form_ = Form::cram;
  if (mechanism.starts_with("SCRAM-")) form_ = Form::scram;
  if (mechanism == "XOAUTH2") form_ = Form::xoauth2;
  if (mechanism == "OAUTHBEARER") form_ = Form::oauthbearer;
}

void LoginReader::response(std::string_view base64) {
  if (asked_ || base64 == "=" || !is_base64(base64)) return;
  asked_ = true;
  const Secret secret(base64);
  const auto text = secret.text();
  std::string login;
  switch (form_) {
    case Form::plain:
      login = plain_login(text);
      break;
    case Form::login:
      login = text;
      break;
    case Form::cram:
      login = cram_login(text);
      break;
    case Form::scram:
      login = scram_login(text);
      break;
    case Form::xoauth2:
      login = attribute(text, "user=", '\1').value_or(std::string_view{});
      break;
    case Form::oauthbearer:
      login = sasl_name(
          attribute(text.substr(0, text.find('\1')), "a=", ',').value_or(std::string_view{}));
      break;
    case Form::unknown:
      break;
  }
  const bool fits = login.size() <= longest_login && std::ranges::none_of(login, [](char c) {
                      return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
                    });
  if (fits) login_ = std::move(login);
}

}  // namespace postern::wire
