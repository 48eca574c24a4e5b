// Tokens of links: whatever comes, nothing opens but what was sealed; and that is the one token of
// what is in it. The first octet says whether the input is a token, or is sealed and then damaged.
#include "policy/link.h"

#include "base/text.h"
#include "policy/base32.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace postern::policy;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

const LinkKeys& keys() {
  static const LinkKeys made = [] {
    LinkKey key{.id = 1};
    for (std::size_t i = 0; i < key.secret.size(); ++i) {
      key.secret[i] = static_cast<std::uint8_t>(i);
    }
    auto keys = LinkKeys::create({key});
    require(keys.has_value());
    return *std::move(keys);
  }();
  return made;
}

void check_token(std::string_view token) {
  if (const auto subject = keys().open(token)) {
    const auto again = keys().seal(*subject);
    require(again && postern::equal_nocase(*again, token));
  }
  static_cast<void>(keys().open("undo", token, {}));
  if (const auto octets = from_base32(token)) {
    require(postern::equal_nocase(to_base32(*octets), token));
  }
}

void check_subject(std::string_view input) {
  LinkSubject subject;
  const auto at = std::min<std::size_t>(input.size(), max_link_address);
  subject.address.text = input.substr(0, at);
  subject.campaign = input.substr(at);
  const auto token = keys().seal(subject);
  require(token.has_value() != input.empty());
  if (!token) return;
  const auto opened = keys().open(*token);
  require(opened && opened->address == subject.address);
  require(subject.campaign.starts_with(opened->campaign));
  check_token(*token);
  auto damaged = from_base32(*token).value();
  damaged[static_cast<std::uint8_t>(input.back()) % damaged.size()] ^= 1;
  require(!keys().open(to_base32(damaged)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 's') {
    check_subject(input);
  } else {
    check_token(input);
  }
  return 0;
}
