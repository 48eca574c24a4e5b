// A file of any size through a window of bounded memory.
#pragma once

#include <cstddef>
#include <istream>
#include <string>
#include <string_view>

namespace postern::store {

// What a line, or a record of several, may have.
inline constexpr std::size_t max_line = 64UL * 1024;

class LineWindow {
 public:
  explicit LineWindow(std::istream& in) : in_(in) {}

  // What comes next: max_line octets and more than a line end, or all that is left. Valid until the
  // next call.
  [[nodiscard]] std::string_view view();
  void consume(std::size_t octets) { at_ += octets; }
  // Over the rest of a line, however long, its LF included.
  void skip_line();

 private:
  std::istream& in_;
  std::string buffer_;
  std::size_t at_ = 0;
};

}  // namespace postern::store
