#include "policy/ledger.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include <openssl/sha.h>

namespace postern::policy {
namespace {

// Behind its length: no two lists of fields read alike.
void add(std::string& out, std::string_view field) {
  for (unsigned shift = 64; shift > 0; shift -= 8) {
    out += static_cast<char>(static_cast<std::uint8_t>(std::uint64_t{field.size()} >> (shift - 8)));
  }
  out += field;
}

}  // namespace

CopyKey copy_key(std::string_view reverse_path, std::span<const std::uint8_t> content,
                 std::string_view recipient) {
  std::string fields;
  add(fields, reverse_path);
  add(fields, {reinterpret_cast<const char*>(content.data()), content.size()});
  add(fields, recipient);
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
  if (::SHA256(reinterpret_cast<const unsigned char*>(fields.data()), fields.size(),
               digest.data()) == nullptr) {
    throw std::runtime_error("OpenSSL has no SHA-256");
  }
  CopyKey key;
  std::copy_n(digest.begin(), key.octets.size(), key.octets.begin());
  return key;
}

}  // namespace postern::policy
