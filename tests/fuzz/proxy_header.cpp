// A load balancer's octets as a PROXY header: however they are cut, the same client or the same
// fault, and nothing behind the header is taken. The first octet of the input says how it is cut.
#include "proxy/wire/proxy_header.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

using postern::wire::ProxyHeader;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

struct Reading {
  std::string fault;
  std::optional<postern::IpAddress> client;
  bool whole = false;
  std::size_t consumed = 0;  // where it is whole
  friend bool operator==(const Reading&, const Reading&) = default;
};

Reading read(std::string_view input, std::size_t step) {
  constexpr std::size_t longest = 16 + postern::wire::longest_proxy_block;
  ProxyHeader header;
  std::size_t at = 0;
  while (header.wanted() > 0 && at < input.size()) {
    const auto piece = input.substr(at, std::min(step, header.wanted()));
    header.take(piece);
    at += piece.size();
    require(at <= longest);
  }
  const bool whole = header.fault().empty() && header.wanted() == 0;
  require(whole || !header.client());
  return {std::string(header.fault()), header.client(), whole, whole ? at : 0};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto want = read(input, size);
  require(read(input, 1) == want);
  require(read(input, 1 + std::size_t{data[0]}) == want);
  // Whatever stands behind it changes nothing.
  if (want.whole) require(read(input.substr(0, want.consumed), size) == want);
  return 0;
}
