// Octets in and out of records: fixed-width numbers big-endian, lengths and counts as 32 bits. The
// reader never passes its end and never throws: the first thing that does not fit makes it fail for
// good, and whoever decodes asks once, at the end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

// Made for millions of records: what was reserved stays, and a number is one store.
class OctetWriter {
 public:
  void clear() { size_ = 0; }
  void u8(std::uint8_t value) { *room(1) = value; }
  void u32(std::uint32_t value) { number(value); }
  void u64(std::uint64_t value) { number(value); }
  void i64(std::int64_t value) { number(static_cast<std::uint64_t>(value)); }
  void raw(Octets octets) {
    if (!octets.empty()) std::memcpy(room(octets.size()), octets.data(), octets.size());
  }
  void text(std::string_view text) {  // its length first
    u32(static_cast<std::uint32_t>(text.size()));
    raw(octets_of(text));
  }
  // As few octets as it needs, seven bits in each.
  void small(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) u8(static_cast<std::uint8_t>(value | 0x80U));
    u8(static_cast<std::uint8_t>(value));
  }
  void brief(std::string_view text) {  // its length first, as small()
    small(text.size());
    raw(octets_of(text));
  }
  [[nodiscard]] Octets octets() const { return Octets(out_).first(size_); }

 private:
  template <class Number>
  void number(Number value) {
    if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
    std::memcpy(room(sizeof value), &value, sizeof value);
  }
  std::uint8_t* room(std::size_t size) {
    if (out_.size() - size_ < size) out_.resize(2 * out_.size() + size);
    size_ += size;
    return out_.data() + (size_ - size);
  }
  std::vector<std::uint8_t> out_;  // written up to size_
  std::size_t size_ = 0;
};

class OctetReader {
 public:
  explicit OctetReader(Octets in) : in_(in) {}
  [[nodiscard]] std::uint8_t u8() { return number<std::uint8_t>(); }
  [[nodiscard]] bool flag();  // 0 or 1
  [[nodiscard]] std::uint32_t u32() { return number<std::uint32_t>(); }
  [[nodiscard]] std::uint64_t u64() { return number<std::uint64_t>(); }
  [[nodiscard]] std::int64_t i64() { return static_cast<std::int64_t>(u64()); }
  [[nodiscard]] std::string_view text(std::size_t limit);
  [[nodiscard]] std::uint64_t small();
  [[nodiscard]] std::string_view brief() { return text_of(take(small())); }
  void raw(std::span<std::uint8_t> into);
  // How many elements of at least `width` octets follow: a count beyond what is left fails, so that
  // a damaged record reserves no memory for what it does not hold.
  [[nodiscard]] std::size_t count(std::size_t width);
  [[nodiscard]] std::size_t left() const { return in_.size(); }
  void fail() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  // Everything was read, and it fitted.
  [[nodiscard]] bool finished() const { return !failed_ && in_.empty(); }

 private:
  template <class Number>
  [[nodiscard]] Number number() {
    Number value{};
    const Octets taken = take(sizeof value);
    if (taken.empty()) return 0;
    std::memcpy(&value, taken.data(), sizeof value);
    if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
    return value;
  }
  [[nodiscard]] Octets take(std::size_t size) {
    failed_ = failed_ || size > in_.size();
    if (failed_) return {};
    const Octets taken = in_.first(size);
    in_ = in_.subspan(size);
    return taken;
  }
  Octets in_;
  bool failed_ = false;
};

}  // namespace postern::store
