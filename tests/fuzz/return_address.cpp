// Return addresses: whatever comes, what is taken for a token looks like one, and nothing is
// authentic but what was made. Written around, a token that was made is found again.
#include "policy/return_address.h"

#include "base/text.h"
#include "policy/return_token.h"

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

const ReturnTokens& tokens() {
  static const ReturnTokens made = [] {
    LinkKey key{.id = 1};
    for (std::size_t i = 0; i < key.secret.size(); ++i) {
      key.secret[i] = static_cast<std::uint8_t>(i);
    }
    auto keys = LinkKeys::create({key});
    require(keys.has_value());
    return ReturnTokens(*keys);
  }();
  return made;
}

ReturnToken token_of(std::string_view input) {
  ReturnToken token{.kind = input.size() % 2 == 0 ? ReturnKind::bounce : ReturnKind::unsubscribe,
                    .context = input.size(),
                    .day = static_cast<std::uint16_t>(input.size())};
  std::copy_n(input.begin(), std::min(input.size(), token.contact.size()), token.contact.begin());
  return token;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto read = read_return_address(input, "complaints");
  require((read.kind == ReturnAddress::Kind::token) == !read.token.empty());
  if (!read.token.empty()) {
    require(read.token.size() == return_token_size);
    require(postern::contains_nocase(input, read.token.substr(0, 1)));
    if (const auto checked = tokens().check(read.token)) {
      require(tokens().make(*checked) == read.token);
    }
  }
  static_cast<void>(tokens().check(input));
  const auto made = token_of(input);
  const auto text = tokens().make(made);
  require(tokens().check(text) == made);
  if (input.size() > 190 || !read.token.empty()) return 0;
  require(read_return_address("prvs=" + text + "=" + std::string(input), "").token == text);
  return 0;
}
