// Any file is rows or rejections, each with its line, in order; and rows that were read are written
// so that they read back.
#include "store/csv.h"
#include "store/exchange.h"

#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace postern;
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  store::RowReader reader(in);
  std::uint64_t line = 0;
  while (auto next = reader.next()) {
    if (next->line <= line || next->text.size() > 1000) std::abort();
    line = next->line;
    if (!next->row) {
      if (next->row.error().text.empty()) std::abort();
      continue;
    }
    std::string written = "address,reason\n";
    store::append_csv(written, next->row->address.text);
    written += ',';
    store::append_csv(written, next->row->note);
    if (written.size() > 64UL * 1024) continue;  // quotes doubled, it is longer than a line may be
    std::istringstream again(written);
    auto read = store::RowReader(again).next();
    if (!read || !read->row || read->row->address != next->row->address ||
        read->row->note != next->row->note) {
      std::abort();
    }
  }
  return 0;
}
