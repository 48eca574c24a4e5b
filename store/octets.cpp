#include "store/octets.h"

namespace postern::store {

bool OctetReader::flag() {
  const std::uint8_t value = u8();
  if (value > 1) failed_ = true;
  return value == 1;
}

std::string_view OctetReader::text(std::size_t limit) {
  const std::size_t size = u32();
  if (size > limit) failed_ = true;
  return text_of(take(size));
}

std::uint64_t OctetReader::small() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint64_t octet = u8();
    value |= (octet & 0x7FU) << shift;
    if (octet < 0x80) return value;
  }
  failed_ = true;
  return 0;
}

void OctetReader::raw(std::span<std::uint8_t> into) {
  const Octets taken = take(into.size());
  if (!taken.empty()) std::memcpy(into.data(), taken.data(), taken.size());
}

std::size_t OctetReader::count(std::size_t width) {
  const std::size_t count = u32();
  if (count > in_.size() / width) failed_ = true;
  return failed_ ? 0 : count;
}

}  // namespace postern::store
