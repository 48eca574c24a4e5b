#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postern::bench {

// The messages of the benchmark. A body is a run of whole lines of one endless text that the load
// generator and the sink both know, so every octet of it can be compared at the speed of memcmp;
// the header section says which run. Some lines begin with a dot, some are empty: whoever stuffs or
// unstuffs wrongly is found.
class Text {
 public:
  // Of bodies up to `longest` octets.
  explicit Text(std::size_t longest = 0);

  // The body as it is on the wire, dots stuffed, without the final dot: whole lines from line
  // number `line` on (any number; the text repeats), of at least `size` octets, at most `longest`.
  std::string_view body(std::size_t line, std::size_t size) const;

  // Whether `octets` is what stands `offset` octets behind the beginning of that line.
  bool has(std::size_t line, std::size_t offset, std::string_view octets) const;

 private:
  std::string text_;                 // the period, as often as the longest body needs it
  std::vector<std::size_t> begins_;  // of each line of the first period
  std::size_t period_ = 0;           // octets
};

// What a header section says of its message.
struct Label {
  std::size_t number = 0;  // of the message
  std::size_t line = 0;    // where its body begins
  std::size_t size = 0;    // octets of the body on the wire

  bool operator==(const Label&) const = default;
};

// Puts the header fields of the message behind `out`, without the empty line that ends the section.
void append_fields(std::string& out, const Label& label);

// Reads the label of a header section that others may have added fields to, in front and behind.
// False where there is none, or where the fields are not all there as append_fields wrote them.
bool read_label(std::string_view section, Label& label);

}  // namespace postern::bench
