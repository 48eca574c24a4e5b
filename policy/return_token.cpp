#include "policy/return_token.h"

#include "policy/base32.h"

#include <algorithm>
#include <span>
#include <stdexcept>
#include <utility>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace postern::policy {
namespace {

using Octets = std::span<const std::uint8_t>;
using Digest = std::array<std::uint8_t, 32>;

constexpr unsigned version = 1;
constexpr unsigned key_bits = 5;
constexpr std::size_t said_size = 1 + 8 + 2 + 16;
constexpr std::size_t mac_size = 10;
static_assert(base32_size(said_size + mac_size) == return_token_size);

Octets octets_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Digest hmac(Octets key, Octets octets) {
  Digest digest{};
  unsigned size = 0;
  if (::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()), octets.data(), octets.size(),
             digest.data(), &size) == nullptr ||
      size != digest.size()) {
    throw std::runtime_error("OpenSSL's HMAC-SHA256 failed");
  }
  return digest;
}

std::uint8_t first_octet(ReturnKind kind, std::uint32_t key) {
  constexpr unsigned low_bits = (1U << key_bits) - 1;
  return static_cast<std::uint8_t>(version << 6U | unsigned{std::to_underlying(kind)} << key_bits |
                                   (key & low_bits));
}

void put_number(std::span<std::uint8_t> out, std::uint64_t value) {
  for (auto octet = out.rbegin(); octet != out.rend(); ++octet, value >>= 8U) {
    *octet = static_cast<std::uint8_t>(value);
  }
}

std::uint64_t number_of(Octets in) {
  std::uint64_t value = 0;
  for (const std::uint8_t octet : in) value = value << 8U | octet;
  return value;
}

}  // namespace

ReturnTokens::ReturnTokens(const LinkKeys& keys) {
  // Apart from the links' own use of the same secrets.
  for (const LinkKey& key : keys.all()) {
    keys_.push_back({key.id, hmac(key.secret, octets_of("postern return address 1"))});
  }
  context_secret_ = hmac(keys.all().front().secret, octets_of("postern return context 1"));
}

ReturnTokens::~ReturnTokens() {
  for (Key& key : keys_) ::OPENSSL_cleanse(key.secret.data(), key.secret.size());
  ::OPENSSL_cleanse(context_secret_.data(), context_secret_.size());
}

std::string ReturnTokens::make(const ReturnToken& token) const {
  const Key& key = keys_.back();
  std::array<std::uint8_t, said_size + mac_size> octets{};
  const std::span out(octets);
  out[0] = first_octet(token.kind, key.id);
  put_number(out.subspan(1, 8), token.context);
  put_number(out.subspan(9, 2), token.day);
  std::ranges::copy(token.contact, octets.begin() + 11);
  const Digest mac = hmac(key.secret, out.first(said_size));
  std::copy_n(mac.begin(), mac_size, octets.begin() + said_size);
  return to_base32(octets);
}

std::optional<ReturnToken> ReturnTokens::check(std::string_view text) const {
  if (text.size() != return_token_size) return std::nullopt;
  const auto octets = from_base32(text);
  if (!octets || octets->size() != said_size + mac_size) return std::nullopt;
  const Octets in(*octets);
  const bool unsubscribes = (in[0] >> key_bits & 1U) != 0;
  ReturnToken token;
  token.kind = unsubscribes ? ReturnKind::unsubscribe : ReturnKind::bounce;
  for (const Key& key : keys_) {
    if (in[0] != first_octet(token.kind, key.id)) continue;
    const Digest mac = hmac(key.secret, in.first(said_size));
    if (::CRYPTO_memcmp(mac.data(), in.data() + said_size, mac_size) != 0) continue;
    token.context = number_of(in.subspan(1, 8));
    token.day = static_cast<std::uint32_t>(number_of(in.subspan(9, 2)));
    std::ranges::copy(in.subspan(11, token.contact.size()), token.contact.begin());
    return token;
  }
  return std::nullopt;
}

// The length stands between the two: no sender makes one stream's context of another's.
std::uint64_t ReturnTokens::hash(const ReturnContext& context) const {
  std::string text;
  text.reserve(8 + context.stream.size() + context.sender.size());
  text.resize(8);
  put_number({reinterpret_cast<std::uint8_t*>(text.data()), 8}, context.stream.size());
  text.append(context.stream).append(context.sender);
  return number_of(Octets(hmac(context_secret_, octets_of(text))).first(8));
}

bool expired(const ReturnToken& token, Time now, std::chrono::milliseconds valid_for) {
  if (token.kind == ReturnKind::unsubscribe) return false;
  const Time day_is_over{std::chrono::days{token.day + 1}};
  return now >= day_is_over + valid_for;
}

}  // namespace postern::policy
