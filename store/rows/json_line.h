// A JSON object on a line, as names and texts: members of members are "outer.inner", a list of
// texts is one text with commas.
#pragma once

#include "base/result.h"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::rows {

class JsonReader {
 public:
  // `line` is UTF-8. Errc::invalid where it is no JSON object, or holds more than max_columns
  // members.
  [[nodiscard]] Result<void> read(std::string_view line);
  // Null is an empty text. Valid until the next line is read.
  [[nodiscard]] std::span<const std::string> names() const { return {names_.data(), count_}; }
  [[nodiscard]] std::span<const std::string> texts() const { return {texts_.data(), count_}; }

 private:
  struct Walk;
  std::vector<std::string> names_;  // the first count_ are of this line; the others keep memory
  std::vector<std::string> texts_;
  std::size_t count_ = 0;
};

}  // namespace postern::rows
