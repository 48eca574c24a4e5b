#include "store/filter.h"

#include "base/nameless_file.h"
#include "store/location.h"
#include "store/space.h"

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>

#include <unistd.h>

namespace postern::store {
namespace {

constexpr std::uint64_t bits_a_key = 16;
constexpr std::uint64_t bits_a_block = 256;

// Odd numbers, each of which takes five bits of its own out of a word.
constexpr std::array<std::uint32_t, 8> factors{0x47b6137bU, 0x44974d91U, 0x8824ad5bU, 0xa2b7289dU,
                                               0x705495c7U, 0x2df1424bU, 0x9efc4947U, 0x5c6bfb31U};

std::uint64_t word(const ContactKey& key, std::size_t from) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8U | key[from + i];
  return value;
}

std::uint32_t bit(std::uint32_t hash, std::size_t which) {
  return 1U << (hash * factors[which] >> 27U);
}

}  // namespace

Result<std::unique_ptr<Filter>> Filter::create(const std::filesystem::path& directory,
                                               std::uint64_t keys) {
  const std::size_t count = std::max<std::uint64_t>(1, keys * bits_a_key / bits_a_block);
  const std::size_t size = count * sizeof(Block);
  const int descriptor = open_nameless_file(directory, ".filter-");
  if (descriptor < 0) return std::unexpected(file_error(directory, errno));
  // Written to while the disk is full, a file with holes would end the process.
  int code = reserve(descriptor, size);
  if (code == 0 && ::ftruncate(descriptor, static_cast<::off_t>(size)) != 0) code = errno;
  void* map = MAP_FAILED;
  if (code == 0) {
    map = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (map == MAP_FAILED) code = errno;
  }
  ::close(descriptor);
  if (code != 0) return std::unexpected(file_error(directory, code));
  return std::unique_ptr<Filter>(new Filter({static_cast<Block*>(map), count}, keys));
}

Filter::~Filter() { ::munmap(blocks_.data(), blocks_.size_bytes()); }

// Keys in their order come to blocks in their order: a build goes through memory once.
Filter::Block& Filter::block_of(const ContactKey& key) const {
  __extension__ using Wide = unsigned __int128;
  return blocks_[static_cast<std::size_t>(Wide{word(key, 0)} * blocks_.size() >> 64U)];
}

void Filter::add(const ContactKey& key) {
  Block& block = block_of(key);
  const auto hash = static_cast<std::uint32_t>(word(key, 8));
  for (std::size_t i = 0; i < block.size(); ++i) {
    block[i].fetch_or(bit(hash, i), std::memory_order_relaxed);
  }
  added_.fetch_add(1, std::memory_order_relaxed);
}

bool Filter::may_have(const ContactKey& key) const {
  const Block& block = block_of(key);
  const auto hash = static_cast<std::uint32_t>(word(key, 8));
  std::uint32_t missing = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    missing |= bit(hash, i) & ~block[i].load(std::memory_order_relaxed);
  }
  return missing == 0;
}

}  // namespace postern::store
