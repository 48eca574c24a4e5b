#include "store/digests.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <utility>

#include <openssl/evp.h>

namespace postern::store {
namespace {

constexpr std::string_view kinds_name = "digests";

struct Kind {
  Digest kind;
  std::string_view name;
  std::size_t digits;
};
constexpr std::array kinds_known{Kind{Digest::md5, "md5", 32}, Kind{Digest::sha1, "sha1", 40},
                                 Kind{Digest::sha256, "sha256", 64}};

const EVP_MD* method(Digest kind) {
  switch (kind) {
    case Digest::md5:
      return ::EVP_md5();
    case Digest::sha1:
      return ::EVP_sha1();
    case Digest::sha256:
      break;
  }
  return ::EVP_sha256();
}

}  // namespace

std::optional<Digest> parse_digest(std::string_view name) {
  for (const Kind& known : kinds_known) {
    if (equal_nocase(known.name, name)) return known.kind;
  }
  return std::nullopt;
}

bool is_digest(std::string_view text) {
  return std::ranges::find(kinds_known, text.size(), &Kind::digits) != kinds_known.end() &&
         text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string hex_digest(Digest kind, std::string_view text) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (::EVP_Digest(text.data(), text.size(), digest.data(), &size, method(kind), nullptr) != 1) {
    throw std::runtime_error("OpenSSL lacks a digest of hash lists");
  }
  return to_hex(std::span(digest).first(size));
}

Result<unsigned> digest_kinds(const Txn& txn, const Tables& tables) {
  auto value = txn.get(tables.meta, octets_of(kinds_name));
  if (!value) return std::unexpected(value.error());
  if (!*value) return 0U;
  OctetReader in(**value);
  const unsigned kinds = in.u8();
  if (!in.finished()) return std::unexpected(txn.env().damaged("its kinds of digests"));
  return kinds;
}

Result<void> note_digest(Txn& txn, const Tables& tables, std::string_view digest) {
  const auto known = std::ranges::find(kinds_known, digest.size(), &Kind::digits);
  if (known == kinds_known.end()) return fail(Errc::invalid, "no digest");
  auto kinds = digest_kinds(txn, tables);
  if (!kinds) return std::unexpected(kinds.error());
  const unsigned now = *kinds | static_cast<unsigned>(known->kind);
  if (now == *kinds) return {};
  OctetWriter out;
  out.u8(static_cast<std::uint8_t>(now));
  return txn.put(tables.meta, octets_of(kinds_name), out.octets());
}

std::vector<std::string> digests_of(const policy::CanonicalAddress& address,
                                    const std::vector<ProviderConfig>& providers, unsigned kinds) {
  std::vector<std::string> spellings{address.text};
  const auto add = [&](std::string spelling) {
    if (!spelling.empty() && std::ranges::find(spellings, spelling) == spellings.end()) {
      spellings.push_back(std::move(spelling));
    }
  };
  const policy::CanonicalAddress untagged{policy::without_subaddress(address)};
  add(untagged.text);
  add(policy::folded(address, providers));
  if (!untagged.text.empty()) add(policy::folded(untagged, providers));
  std::vector<std::string> digests;
  for (const Kind& known : kinds_known) {
    if ((kinds & static_cast<unsigned>(known.kind)) == 0) continue;
    for (const std::string& spelling : spellings) {
      digests.push_back(hex_digest(known.kind, spelling));
    }
  }
  return digests;
}

}  // namespace postern::store
