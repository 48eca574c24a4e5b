// Octets in and out of records: fixed-width numbers big-endian, lengths and counts as 32 bits. The
// reader never passes its end and never throws: the first thing that does not fit makes it fail for
// good, and whoever decodes asks once, at the end.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::store {

using Octets = std::span<const std::uint8_t>;

[[nodiscard]] inline Octets octets_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view text_of(Octets octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

class OctetWriter {
 public:
  void clear() { out_.clear(); }
  void u8(std::uint8_t value) { out_.push_back(value); }
  void u32(std::uint32_t value) { number(value, 4); }
  void u64(std::uint64_t value) { number(value, 8); }
  void i64(std::int64_t value) { number(static_cast<std::uint64_t>(value), 8); }
  void raw(Octets octets) { out_.insert(out_.end(), octets.begin(), octets.end()); }
  void text(std::string_view text);  // its length first
  [[nodiscard]] Octets octets() const { return out_; }

 private:
  void number(std::uint64_t value, int width);
  std::vector<std::uint8_t> out_;
};

class OctetReader {
 public:
  explicit OctetReader(Octets in) : in_(in) {}
  [[nodiscard]] std::uint8_t u8();
  [[nodiscard]] bool flag();  // 0 or 1
  [[nodiscard]] std::uint32_t u32();
  [[nodiscard]] std::uint64_t u64();
  [[nodiscard]] std::int64_t i64() { return static_cast<std::int64_t>(u64()); }
  [[nodiscard]] std::string_view text(std::size_t limit);
  void raw(std::span<std::uint8_t> into);
  // How many elements of at least `width` octets follow: a count beyond what is left fails, so that
  // a damaged record reserves no memory for what it does not hold.
  [[nodiscard]] std::size_t count(std::size_t width);
  void fail() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  // Everything was read, and it fitted.
  [[nodiscard]] bool finished() const { return !failed_ && in_.empty(); }

 private:
  [[nodiscard]] std::uint64_t number(std::size_t width);
  [[nodiscard]] Octets take(std::size_t size);
  Octets in_;
  bool failed_ = false;
};

}  // namespace postern::store
