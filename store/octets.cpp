#include "store/octets.h"

#include <algorithm>
#include <bit>

namespace postern::store {

void OctetWriter::number(std::uint64_t value, int width) {
  // Big-endian: the last `width` octets.
  if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap64(value);
  const auto octets = std::bit_cast<std::array<std::uint8_t, 8>>(value);
  out_.insert(out_.end(), octets.end() - width, octets.end());
}

void OctetWriter::text(std::string_view text) {
  u32(static_cast<std::uint32_t>(text.size()));
  raw(octets_of(text));
}

Octets OctetReader::take(std::size_t size) {
  if (failed_ || size > in_.size()) {
    failed_ = true;
    return {};
  }
  const Octets taken = in_.first(size);
  in_ = in_.subspan(size);
  return taken;
}

std::uint64_t OctetReader::number(std::size_t width) {
  std::uint64_t value = 0;
  for (const std::uint8_t octet : take(width)) value = value << 8U | octet;
  return value;
}

std::uint8_t OctetReader::u8() { return static_cast<std::uint8_t>(number(1)); }

bool OctetReader::flag() {
  const std::uint8_t value = u8();
  if (value > 1) failed_ = true;
  return value == 1;
}

std::uint32_t OctetReader::u32() { return static_cast<std::uint32_t>(number(4)); }
std::uint64_t OctetReader::u64() { return number(8); }

std::string_view OctetReader::text(std::size_t limit) {
  const std::size_t size = u32();
  if (size > limit) failed_ = true;
  return text_of(take(size));
}

void OctetReader::raw(std::span<std::uint8_t> into) {
  const Octets taken = take(into.size());
  std::ranges::copy(taken, into.begin());
}

std::size_t OctetReader::count(std::size_t width) {
  const std::size_t count = u32();
  if (count > in_.size() / width) failed_ = true;
  return failed_ ? 0 : count;
}

}  // namespace postern::store
