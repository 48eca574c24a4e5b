#include "policy/link.h"

#include "policy/base32.h"
#include "policy/contact.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

namespace postern::policy {

// Each kind of token has another octet in its associated data: none is taken for another.
enum class LinkKeys::Kind : std::uint8_t { link = 0, companion = 1 };

namespace {

using Octets = std::span<const std::uint8_t>;

constexpr std::uint8_t token_version = 1;
constexpr std::size_t header_size = 5;
constexpr std::size_t siv_size = 16;
constexpr std::size_t block_size = 16;

constexpr std::size_t max_link_plain =
    4 + 2 + max_link_address + 1 + max_stream_name + 1 + max_link_campaign;
constexpr std::size_t max_companion_plain = 8 + 2 + max_sealed_octets;

constexpr std::size_t padded(std::size_t size) {
  return (size + block_size - 1) / block_size * block_size;
}

Octets octets_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void add_number(std::string& out, std::uint64_t value, unsigned width) {
  for (unsigned shift = width * 8; shift > 0; shift -= 8) {
    out += static_cast<char>(static_cast<std::uint8_t>(value >> (shift - 8)));
  }
}

void add_text(std::string& out, std::string_view text, unsigned width) {
  add_number(out, text.size(), width);
  out += text;
}

// What was sealed is what this program wrote; it is read as strictly as if it were not.
class Fields {
 public:
  explicit Fields(std::string_view in) : in_(in) {}
  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    for (const char c : take(width)) value = value << 8U | static_cast<std::uint8_t>(c);
    return value;
  }
  std::string text(std::size_t width) { return std::string(take(number(width))); }
  [[nodiscard]] bool finished() const {
    return good_ && in_.size() < block_size &&
           std::ranges::all_of(in_, [](char c) { return c == 0; });
  }

 private:
  std::string_view take(std::size_t size) {
    good_ = good_ && size <= in_.size();
    if (!good_) return {};
    const auto taken = in_.substr(0, size);
    in_.remove_prefix(size);
    return taken;
  }
  std::string_view in_;
  bool good_ = true;
};

std::string_view cut_campaign(std::string_view campaign) {
  if (campaign.size() <= max_link_campaign) return campaign;
  std::size_t end = max_link_campaign;
  // At most three octets of a character are continuations; more are no UTF-8, and cut anywhere.
  for (int i = 0; i < 3 && (static_cast<std::uint8_t>(campaign[end]) & 0xC0U) == 0x80U; ++i) --end;
  return campaign.substr(0, end);
}

std::string header_of(std::uint32_t key) {
  std::string header;
  add_number(header, token_version, 1);
  add_number(header, key, 4);
  return header;
}

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { ::EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

int size_of(Octets octets) { return static_cast<int>(octets.size()); }

// SIV and ciphertext behind what `out` holds; false where OpenSSL fails. `associated` is never
// empty: OpenSSL before 3.0.10 overlooks an empty one (CVE-2023-2975).
bool encrypt(const EVP_CIPHER* cipher, const LinkKey& key, Octets associated, Octets plain,
             std::vector<std::uint8_t>& out) {
  const Context context(::EVP_CIPHER_CTX_new());
  if (!context) return false;
  const auto at = out.size();
  out.resize(at + siv_size + plain.size());
  auto* const siv = out.data() + at;
  auto* const text = siv + siv_size;
  int written = 0;
  return ::EVP_EncryptInit_ex2(context.get(), cipher, key.secret.data(), nullptr, nullptr) == 1 &&
         ::EVP_EncryptUpdate(context.get(), nullptr, &written, associated.data(),
                             size_of(associated)) == 1 &&
         ::EVP_EncryptUpdate(context.get(), text, &written, plain.data(), size_of(plain)) == 1 &&
         ::EVP_EncryptFinal_ex(context.get(), text, &written) == 1 &&
         ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, siv_size, siv) == 1;
}

// The comparison of SIVs is OpenSSL's, in constant time.
std::optional<std::string> decrypt(const EVP_CIPHER* cipher, const LinkKey& key, Octets associated,
                                   Octets sealed) {
  const Context context(::EVP_CIPHER_CTX_new());
  if (!context) return std::nullopt;
  std::array<std::uint8_t, siv_size> siv{};
  std::ranges::copy(sealed.first(siv_size), siv.begin());
  const Octets text = sealed.subspan(siv_size);
  std::string plain(text.size(), '\0');
  auto* const out = reinterpret_cast<std::uint8_t*>(plain.data());
  int written = 0;
  const bool good =
      ::EVP_DecryptInit_ex2(context.get(), cipher, key.secret.data(), nullptr, nullptr) == 1 &&
      ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, siv_size, siv.data()) == 1 &&
      ::EVP_DecryptUpdate(context.get(), nullptr, &written, associated.data(),
                          size_of(associated)) == 1 &&
      ::EVP_DecryptUpdate(context.get(), out, &written, text.data(), size_of(text)) == 1 &&
      ::EVP_DecryptFinal_ex(context.get(), out, &written) == 1;
  if (!good) return std::nullopt;
  return plain;
}

}  // namespace

LinkKey::~LinkKey() { ::OPENSSL_cleanse(secret.data(), secret.size()); }

Result<LinkKey> random_link_key(std::uint32_t id) {
  LinkKey key{.id = id};
  if (::RAND_priv_bytes(key.secret.data(), static_cast<int>(key.secret.size())) != 1) {
    return fail(Errc::io, "the system gives no random numbers");
  }
  return key;
}

Result<LinkKeys> LinkKeys::create(std::vector<LinkKey> keys) {
  if (keys.empty()) return fail(Errc::invalid, "there is no key for links");
  std::vector<std::uint32_t> ids;
  for (const LinkKey& key : keys) ids.push_back(key.id);
  std::ranges::sort(ids);
  if (const auto twice = std::ranges::adjacent_find(ids); twice != ids.end()) {
    return fail(Errc::invalid, fmt::format("two keys for links have the number {}", *twice));
  }
  std::shared_ptr<EVP_CIPHER> cipher(::EVP_CIPHER_fetch(nullptr, "AES-256-SIV", nullptr),
                                     &::EVP_CIPHER_free);
  if (!cipher) return fail(Errc::io, "OpenSSL has no AES-256-SIV");
  return LinkKeys(std::move(keys), std::move(cipher));
}

Result<std::string> LinkKeys::seal(const LinkSubject& subject) const {
  const auto& address = subject.address.text;
  if (address.empty() || address.size() > max_link_address) {
    return fail(Errc::invalid, fmt::format("an address of {} octets has no link: 1 to {} have",
                                           address.size(), max_link_address));
  }
  if (subject.stream.size() > max_stream_name) {
    return fail(Errc::invalid,
                fmt::format("the stream's name is longer than {} octets", max_stream_name));
  }
  std::string plain;
  plain.reserve(padded(max_link_plain));
  add_number(plain, subject.day, 4);
  add_text(plain, address, 2);
  add_text(plain, subject.stream, 1);
  add_text(plain, cut_campaign(subject.campaign), 1);
  return seal_octets(Kind::link, {}, std::move(plain));
}

std::optional<LinkSubject> LinkKeys::open(std::string_view token) const {
  const auto plain = open_octets(Kind::link, {}, token, max_link_plain);
  if (!plain) return std::nullopt;
  Fields in(*plain);
  LinkSubject subject;
  subject.day = static_cast<std::uint32_t>(in.number(4));
  subject.address.text = in.text(2);
  subject.stream = in.text(1);
  subject.campaign = in.text(1);
  if (!in.finished()) return std::nullopt;
  return subject;
}

Result<std::string> LinkKeys::seal(std::string_view purpose, std::string_view octets,
                                   Time expires) const {
  if (octets.size() > max_sealed_octets) {
    return fail(Errc::invalid, fmt::format("{} octets are too many to be sealed: at most {}",
                                           octets.size(), max_sealed_octets));
  }
  std::string plain;
  add_number(plain, static_cast<std::uint64_t>(expires.time_since_epoch().count()), 8);
  add_text(plain, octets, 2);
  return seal_octets(Kind::companion, purpose, std::move(plain));
}

std::optional<std::string> LinkKeys::open(std::string_view purpose, std::string_view token,
                                          Time now) const {
  const auto plain = open_octets(Kind::companion, purpose, token, max_companion_plain);
  if (!plain) return std::nullopt;
  Fields in(*plain);
  const Time expires{std::chrono::seconds{static_cast<std::int64_t>(in.number(8))}};
  auto octets = in.text(2);
  if (!in.finished() || now >= expires) return std::nullopt;
  return octets;
}

Result<std::string> LinkKeys::seal_octets(Kind kind, std::string_view purpose,
                                          std::string plain) const {
  plain.resize(padded(plain.size()));
  const LinkKey& key = keys_.back();
  const std::string header = header_of(key.id);
  std::string associated = header;
  add_number(associated, std::to_underlying(kind), 1);
  associated += purpose;
  std::vector<std::uint8_t> token(header.begin(), header.end());
  if (!encrypt(cipher_.get(), key, octets_of(associated), octets_of(plain), token)) {
    return fail(Errc::io, "OpenSSL's AES-256-SIV failed");
  }
  return to_base32(token);
}

std::optional<std::string> LinkKeys::open_octets(Kind kind, std::string_view purpose,
                                                 std::string_view token,
                                                 std::size_t most_plain) const {
  if (token.size() > base32_size(header_size + siv_size + padded(most_plain))) return std::nullopt;
  const auto octets = from_base32(token);
  if (!octets || octets->size() < header_size + siv_size + block_size ||
      (octets->size() - header_size) % block_size != 0) {
    return std::nullopt;
  }
  std::string associated(octets->begin(), octets->begin() + header_size);
  const auto key = std::ranges::find(keys_, associated,
                                     [](const LinkKey& a_key) { return header_of(a_key.id); });
  if (key == keys_.end()) return std::nullopt;
  add_number(associated, std::to_underlying(kind), 1);
  associated += purpose;
  return decrypt(cipher_.get(), *key, octets_of(associated), Octets(*octets).subspan(header_size));
}

}  // namespace postern::policy
