// A line or record as UTF-8, whatever it was written in.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace postern::rows {

class Decoder {
 public:
  // `only_utf8`: the file says by its mark that it is nothing else.
  explicit Decoder(bool only_utf8) : only_utf8_(only_utf8) {}

  // `text` itself where it is UTF-8, else what it is as Windows-1252: a file may be ASCII for a
  // long way before it shows what it is. Errc::invalid for a NUL. Valid until the next call.
  [[nodiscard]] Result<std::string_view> decode(std::string_view text);

 private:
  bool only_utf8_;
  std::string decoded_;
};

}  // namespace postern::rows
