// The way of the page check: from a meta page down every tree. pages.h says what it finds.
#pragma once

#include "store/page.h"
#include "store/pages.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace postern::store {

// A file that is read at any place; where it was cut is an end, never a signal. The descriptor is
// the caller's.
class PageFile {
 public:
  explicit PageFile(int descriptor) : descriptor_(descriptor) {}
  // As many octets as there are, at most what `into` has room for.
  [[nodiscard]] std::size_t read(std::uint64_t at, std::span<std::uint8_t> into) const;
  // Will be read soon: the system may begin. Nothing is lost where it does not.
  void announce(std::uint64_t at, std::uint64_t size) const;
  [[nodiscard]] std::uint64_t size() const;

 private:
  int descriptor_;
};

inline constexpr PageNumber meta_pages = 2;

[[nodiscard]] PageReport walk_pages(const PageFile& file, const MetaPage& meta,
                                    const EntrySink& entry);

}  // namespace postern::store
