// A file of any size through a window of bounded memory, as lines that end in LF. UTF-16 is turned
// into UTF-8 here; a line that is no UTF-8 is left to who reads it.
#pragma once

#include "store/rows/encoding.h"

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string>
#include <string_view>

namespace postern::rows {

// What a line, or a record of several, may have.
inline constexpr std::size_t max_line = 64UL * 1024;

class LineWindow {
 public:
  explicit LineWindow(std::istream& in) : in_(in) {}

  // Reads the beginning and decides by it: the encoding (its mark is passed), and whether a lone
  // CR ends lines. To be called once, first.
  Beginning begin();
  // What comes next: max_line octets and more than a line end, or all that is left. Valid until the
  // next call.
  [[nodiscard]] std::string_view view();
  void consume(std::size_t octets) { at_ += octets; }
  // Over the rest of a line, however long, its LF included.
  void skip_line();
  // Octets of the file that are behind us; of UTF-16, about.
  [[nodiscard]] std::uint64_t octets() const;

 private:
  [[nodiscard]] std::size_t left() const { return buffer_.size() - at_; }
  void drop_consumed();
  void refill();
  void decode(bool last);

  std::istream& in_;
  Encoding encoding_ = Encoding::utf8;
  bool lone_cr_ = false;
  std::string raw_;     // of UTF-16: what is not decoded yet
  std::string buffer_;  // what is decoded; consumed up to at_
  std::size_t at_ = 0;
  std::uint64_t read_ = 0;         // octets of the file
  std::uint64_t buffer_read_ = 0;  // of these, what the buffer was made of
};

}  // namespace postern::rows
