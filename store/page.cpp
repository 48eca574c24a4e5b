#include "store/page.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>

namespace postern::store {
namespace {

static_assert(std::endian::native == std::endian::little, "nodes are laid out otherwise");

// MDB_page
constexpr std::size_t flags_at = 10;
constexpr std::size_t lower_at = 12;
constexpr std::size_t upper_at = 14;
constexpr std::size_t width_at = 8;  // of values, in pages of them
constexpr std::uint16_t branch_flag = 0x01;
constexpr std::uint16_t leaf_flag = 0x02;
constexpr std::uint16_t overflow_flag = 0x04;
constexpr std::uint16_t meta_flag = 0x08;
constexpr std::uint16_t values_flag = 0x20;
constexpr std::uint16_t inner_flag = 0x40;
constexpr std::uint16_t passing_flags = 0x8010;  // of pages in memory; some are written with them

// MDB_node
constexpr std::size_t node_header = 8;
constexpr std::size_t longest_key = 511;
constexpr std::uint16_t big_flag = 0x01;
constexpr std::uint16_t tree_flag = 0x02;
constexpr std::uint16_t many_flag = 0x04;

// MDB_meta, behind the page's header
constexpr std::uint32_t magic = 0xBEEFC0DE;
constexpr std::uint32_t format = 1;
constexpr std::size_t free_at = Page::header + 24;
constexpr std::size_t main_at = free_at + TreeRecord::width;
constexpr std::size_t last_page_at = main_at + TreeRecord::width;
constexpr std::size_t transaction_at = last_page_at + 8;

// mdb_dbi_open's flags
constexpr std::uint16_t reverse_key = 0x02;
constexpr std::uint16_t integer_key = 0x08;
constexpr std::uint16_t integer_value = 0x20;
constexpr std::uint16_t reverse_value = 0x40;

template <class Number>
Number number_at(Octets octets, std::size_t at) {
  Number number{};
  std::memcpy(&number, octets.data() + at, sizeof number);
  return number;
}

std::size_t even(std::size_t size) { return size + (size & 1U); }

}  // namespace

std::optional<TreeRecord> read_tree(Octets octets) {
  if (octets.size() != TreeRecord::width) return std::nullopt;
  return TreeRecord{number_at<std::uint32_t>(octets, 0),  number_at<std::uint16_t>(octets, 4),
                    number_at<std::uint16_t>(octets, 6),  number_at<std::uint64_t>(octets, 8),
                    number_at<std::uint64_t>(octets, 16), number_at<std::uint64_t>(octets, 24),
                    number_at<std::uint64_t>(octets, 32), number_at<std::uint64_t>(octets, 40)};
}

std::expected<MetaPage, std::string> read_meta(Octets page, PageNumber number) {
  if (page.size() < transaction_at + 8) return std::unexpected("the file ends before it");
  if (number_at<std::uint32_t>(page, Page::header) != magic) {
    return std::unexpected("it does not begin as a data file of LMDB does");
  }
  if (const auto found = number_at<std::uint32_t>(page, Page::header + 4); found != format) {
    return std::unexpected(fmt::format("it is of format {}, not {}", found, format));
  }
  if (number_at<std::uint64_t>(page, 0) != number ||
      number_at<std::uint16_t>(page, flags_at) != meta_flag) {
    return std::unexpected("its header is not that of the page");
  }
  MetaPage meta;
  meta.free = *read_tree(page.subspan(free_at, TreeRecord::width));
  meta.main = *read_tree(page.subspan(main_at, TreeRecord::width));
  meta.page_size = meta.free.value_width;
  meta.last_page = number_at<std::uint64_t>(page, last_page_at);
  meta.transaction = number_at<std::uint64_t>(page, transaction_at);
  if (!std::has_single_bit(meta.page_size) || meta.page_size < 512 || meta.page_size > 65'536) {
    return std::unexpected(fmt::format("it says that pages have {} octets", meta.page_size));
  }
  return meta;
}

KeyOrder key_order(std::uint16_t tree_flags) {
  if ((tree_flags & reverse_key) != 0) return KeyOrder::unknown;
  return (tree_flags & integer_key) != 0 ? KeyOrder::numbers : KeyOrder::octets;
}

KeyOrder value_order(std::uint16_t tree_flags) {
  if ((tree_flags & reverse_value) != 0) return KeyOrder::unknown;
  return (tree_flags & integer_value) != 0 ? KeyOrder::numbers : KeyOrder::octets;
}

int compare(KeyOrder order, Octets a, Octets b) {
  if (order == KeyOrder::numbers && a.size() == b.size() && (a.size() == 4 || a.size() == 8)) {
    const bool wide = a.size() == 8;
    const std::uint64_t left =
        wide ? number_at<std::uint64_t>(a, 0) : number_at<std::uint32_t>(a, 0);
    const std::uint64_t right =
        wide ? number_at<std::uint64_t>(b, 0) : number_at<std::uint32_t>(b, 0);
    return left < right ? -1 : left > right;
  }
  const auto shorter = std::min(a.size(), b.size());
  const int different = shorter == 0 ? 0 : std::memcmp(a.data(), b.data(), shorter);
  if (different != 0) return different;
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

std::expected<Page, std::string> Page::read(Octets octets, PageNumber number, KeyOrder order) {
  if (octets.size() < header) return std::unexpected("the file ends before it");
  if (const auto found = number_at<std::uint64_t>(octets, 0); found != number) {
    return std::unexpected(fmt::format("it says that it is page {}", found));
  }
  const auto flags =
      static_cast<std::uint16_t>(number_at<std::uint16_t>(octets, flags_at) & ~passing_flags);
  if (flags == overflow_flag) {
    Page page(octets);
    page.kind_ = Kind::overflow;
    page.overflow_pages_ = number_at<std::uint32_t>(octets, lower_at);
    if (page.overflow_pages_ == 0) return std::unexpected("it is an overflow of no pages");
    return page;
  }
  return read_body(octets, flags, order);
}

std::expected<Page, std::string> Page::read_inner(Octets octets, KeyOrder order) {
  if (octets.size() < header) return std::unexpected("its values end before they begin");
  const auto flags =
      static_cast<std::uint16_t>(number_at<std::uint16_t>(octets, flags_at) & ~passing_flags);
  if ((flags & inner_flag) == 0 || (flags & leaf_flag) == 0) {
    return std::unexpected(fmt::format("its values are of kind {:#x}", flags));
  }
  return read_body(octets, static_cast<std::uint16_t>(flags & ~inner_flag), order);
}

std::expected<Page, std::string> Page::read_body(Octets octets, std::uint16_t flags,
                                                 KeyOrder order) {
  Page page(octets);
  if (flags == branch_flag) {
    page.kind_ = Kind::branch;
  } else if (flags == (leaf_flag | values_flag)) {
    page.kind_ = Kind::values;
  } else if (flags != leaf_flag) {
    return std::unexpected(fmt::format("it is of kind {:#x}", flags));
  }
  const std::size_t lower = number_at<std::uint16_t>(octets, lower_at);
  const std::size_t upper = number_at<std::uint16_t>(octets, upper_at);
  if (lower < header || lower % 2 != 0 || lower > upper || upper > octets.size()) {
    return std::unexpected(fmt::format("its free space is from {} to {}", lower, upper));
  }
  page.size_ = (lower - header) / 2;
  if (page.size_ == 0) return std::unexpected("it is empty");
  std::string wrong;
  if (page.kind_ == Kind::values) {
    page.width_ = number_at<std::uint16_t>(octets, width_at);
    if (page.width_ == 0 || header + page.size_ * page.width_ + (upper - lower) != octets.size()) {
      wrong = fmt::format("it has {} values of {} octets", page.size_, page.width_);
    }
  } else {
    wrong = page.check_nodes(upper);
  }
  if (wrong.empty()) wrong = page.check_order(order);
  if (!wrong.empty()) return std::unexpected(std::move(wrong));
  return page;
}

std::string Page::check_nodes(std::size_t upper) const {
  std::size_t used = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    const std::size_t at = offset(i);
    if (at < upper || at + node_header > octets_.size()) {
      return fmt::format("its entry {} is at {}", i, at);
    }
    const Octets node = octets_.subspan(at);
    const std::size_t key_size = number_at<std::uint16_t>(node, 6);
    if (key_size > longest_key) return fmt::format("its key {} has {} octets", i, key_size);
    std::size_t width = node_header + key_size;
    if (kind_ == Kind::leaf) {
      const auto flags = number_at<std::uint16_t>(node, 4);
      const auto size = number_at<std::uint32_t>(node, 0);
      if (flags != 0 && flags != big_flag && flags != tree_flag && flags != many_flag &&
          flags != (tree_flag | many_flag)) {
        return fmt::format("its entry {} is of kind {:#x}", i, flags);
      }
      if ((flags & tree_flag) != 0 && size != TreeRecord::width) {
        return fmt::format("its entry {} is a table of {} octets", i, size);
      }
      width += flags == big_flag ? sizeof(PageNumber) : size;
    }
    if (width > node.size()) return fmt::format("its entry {} has {} octets", i, width);
    used += even(width);
  }
  // Entries lie close together: one that is shorter than its place was cut.
  if (used != octets_.size() - upper) {
    return fmt::format("its entries have {} octets of {}", used, octets_.size() - upper);
  }
  return {};
}

std::string Page::check_order(KeyOrder order) const {
  if (order == KeyOrder::unknown) return {};
  // A branch has no first key.
  for (std::size_t i = kind_ == Kind::branch ? 2 : 1; i < size_; ++i) {
    if (compare(order, key(i - 1), key(i)) >= 0) {
      return fmt::format("its keys {} and {} are not in order", i - 1, i);
    }
  }
  return {};
}

std::size_t Page::offset(std::size_t index) const {
  return number_at<std::uint16_t>(octets_, header + 2 * index);
}

Page::Node Page::node(std::size_t index) const {
  const Octets at = octets_.subspan(offset(index));
  const std::size_t key_size = number_at<std::uint16_t>(at, 6);
  Node node;
  node.key = at.subspan(node_header, key_size);
  if (kind_ == Kind::branch) {
    node.page = number_at<std::uint32_t>(at, 0) | std::uint64_t{number_at<std::uint16_t>(at, 4)}
                                                      << 32U;
    return node;
  }
  using enum Node::Value;
  const auto flags = number_at<std::uint16_t>(at, 4);
  node.size = number_at<std::uint32_t>(at, 0);
  if (flags == big_flag) {
    node.value = overflow;
    node.page = number_at<std::uint64_t>(at, node_header + key_size);
    return node;
  }
  node.data = at.subspan(node_header + key_size, node.size);
  if (flags == tree_flag) node.value = table;
  if (flags == many_flag) node.value = page_of_values;
  if (flags == (tree_flag | many_flag)) node.value = tree_of_values;
  return node;
}

Octets Page::key(std::size_t index) const {
  if (kind_ == Kind::values) return octets_.subspan(header + index * width_, width_);
  const Octets at = octets_.subspan(offset(index));
  return at.subspan(node_header, number_at<std::uint16_t>(at, 6));
}

}  // namespace postern::store
