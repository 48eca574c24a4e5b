// The reader of data against one that looks at an octet at a time; the first octets of the input
// say how it is cut.
#include "proxy/wire/data.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using postern::wire::DataScanner;
using Fault = DataScanner::Fault;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

struct Reading {
  std::size_t consumed = 0;
  bool finished = false;
  Fault fault = Fault::none;
};

Reading plain_reading(std::string_view input) {
  Reading reading;
  // What comes before the first octet of data is the CRLF of DATA.
  const std::string octets = "\r\n" + std::string(input);
  for (std::size_t i = 2; i < octets.size() && !reading.finished; ++i) {
    const bool lf_is_bare = octets[i] == '\n' && octets[i - 1] != '\r';
    const bool cr_was_bare = i > 2 && octets[i - 1] == '\r' && octets[i] != '\n';
    if (reading.fault == Fault::none) {
      if (cr_was_bare) {
        reading.fault = Fault::bare_cr;
      } else if (lf_is_bare) {
        reading.fault = Fault::bare_lf;
      } else if (octets[i] == '\0') {
        reading.fault = Fault::nul;
      }
    }
    reading.consumed = i - 1;
    reading.finished = std::string_view(octets).substr(0, i + 1).ends_with("\r\n.\r\n");
  }
  return reading;
}

void check_forwarded(std::string_view octets) {
  for (std::size_t i = 0; i < octets.size(); ++i) {
    require(octets[i] != '\0');
    if (octets[i] == '\r') require(i + 1 < octets.size() && octets[i + 1] == '\n');
    if (octets[i] == '\n') require(i > 0 && octets[i - 1] == '\r');
  }
}

void check_cut(std::string_view input, std::size_t first, std::size_t step) {
  const Reading want = plain_reading(input);
  DataScanner scanner;
  std::string forwarded;
  std::size_t at = 0;
  std::size_t length = first;
  while (at < input.size() && !scanner.finished()) {
    const std::string_view piece = input.substr(at, length);
    const DataScanner::Piece result = scanner.scan(piece);
    require(result.consumed <= piece.size() && result.forward <= result.consumed);
    require(result.consumed == piece.size() || scanner.finished());
    require(scanner.fault() == Fault::none || (result.forward == 0 && !result.cr_first));
    if (result.cr_first) forwarded += '\r';
    forwarded += piece.substr(0, result.forward);
    at += result.consumed;
    length = step;
  }
  require(at == want.consumed && scanner.finished() == want.finished &&
          scanner.fault() == want.fault);
  check_forwarded(forwarded);
  require(input.starts_with(forwarded));
  if (want.fault == Fault::none) {
    const bool waits = !want.finished && at > 0 && input[at - 1] == '\r';
    require(forwarded.size() + (waits ? 1 : 0) == at);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  check_cut(input, input.size(), input.size());
  check_cut(input, data[0], 1 + std::size_t{data[1]});
  check_cut(input, 1, 1);
  return 0;
}
