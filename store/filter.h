// A set of keys that answers "not in it" without a look at the store: a Bloom filter of blocks of
// 256 bits (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom Filters"), one cache
// line a question. It may take a key for one of its own (one of a thousand), and never denies one
// that was added. In a file without a name, mapped: its memory is the system's to take back.
#pragma once

#include "base/result.h"
#include "store/keys.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace postern::store {

class Filter {
 public:
  // For so many keys. The file lies in `directory`; Errc::full where the disk has no room for it.
  [[nodiscard]] static Result<std::unique_ptr<Filter>> create(
      const std::filesystem::path& directory, std::uint64_t keys);
  ~Filter();
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  // From any thread, beside may_have(): who is told afterwards that it was added sees it there.
  void add(const ContactKey& key);
  [[nodiscard]] bool may_have(const ContactKey& key) const;
  // More keys were added than it was made for: it says "maybe" ever more often.
  [[nodiscard]] bool is_full() const { return added_.load(std::memory_order_relaxed) > keys_; }

 private:
  using Block = std::array<std::atomic<std::uint32_t>, 8>;
  Filter(std::span<Block> blocks, std::uint64_t keys) : blocks_(blocks), keys_(keys) {}
  [[nodiscard]] Block& block_of(const ContactKey& key) const;

  std::span<Block> blocks_;
  std::uint64_t keys_;
  std::atomic<std::uint64_t> added_ = 0;
};

}  // namespace postern::store
