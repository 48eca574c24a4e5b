// Octets of a message with bare LFs: however they are cut, the same octets for the scanner, which
// finds the end where the sender put it and no other, and no bare LF. The first octets of the input
// say how it is cut.
#include "proxy/wire/line_ends.h"

#include "proxy/wire/data.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

using postern::wire::DataScanner;
using postern::wire::LineEnds;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// With it; nullopt where it has not come.
std::optional<std::size_t> end_of_data(std::string_view sent) {
  const auto end = ("\r\n" + std::string(sent)).find("\r\n.\r\n");
  if (end == std::string::npos) return std::nullopt;
  return end + 3;
}

std::string pass(std::string_view input, std::size_t first, std::size_t step) {
  const auto end = end_of_data(input);
  LineEnds ends;
  DataScanner scanner;
  std::string passed;
  std::string forwarded;
  std::size_t at = 0;
  for (std::size_t length = first; at < input.size() && !scanner.finished(); length = step) {
    auto piece = ends.take(input.substr(at, length));
    at += piece.consumed;
    const auto scanned = scanner.scan(piece.octets);
    require(scanned.consumed == piece.octets.size());
    if (scanned.cr_first) forwarded += '\r';
    forwarded += piece.octets.substr(0, scanned.forward);
    passed += piece.octets;
  }
  require(at == end.value_or(input.size()) && passed.size() <= 3 * at);
  require(scanner.finished() == end.has_value());
  require(scanner.fault() != DataScanner::Fault::bare_lf);
  for (std::size_t i = 0; i < forwarded.size(); ++i) {
    require(forwarded[i] != '\0');
    if (forwarded[i] == '\n') require(i > 0 && forwarded[i - 1] == '\r');
    if (forwarded[i] == '\r') require(i + 1 < forwarded.size() && forwarded[i + 1] == '\n');
  }
  require(end_of_data(passed) == (end ? std::optional(passed.size()) : std::nullopt));
  return passed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto want = pass(input, input.size(), 1);
  require(pass(input, 1 + std::size_t{data[0]}, 1 + std::size_t{data[1]}) == want);
  require(pass(input, 1, 1) == want);
  return 0;
}
