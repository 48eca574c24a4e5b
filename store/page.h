// One page of an LMDB data file, read without LMDB: nothing in it is believed before it was
// checked. The format is that of LMDB 0.9 (data version 1, 64 bits, this machine's byte order), as
// mdb.c has it: MDB_page, MDB_node, MDB_db, MDB_meta.
#pragma once

#include "store/octets.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>

namespace postern::store {

using PageNumber = std::uint64_t;
inline constexpr PageNumber no_page = ~PageNumber{0};

// MDB_db: one B-tree. Numbers of pages and entries are what a walk should find.
struct TreeRecord {
  static constexpr std::size_t width = 48;
  std::uint32_t value_width = 0;  // of trees whose keys are values of one width; else of no meaning
  std::uint16_t flags = 0;
  std::uint16_t depth = 0;
  std::uint64_t branch_pages = 0;
  std::uint64_t leaf_pages = 0;
  std::uint64_t overflow_pages = 0;
  std::uint64_t entries = 0;
  PageNumber root = no_page;

  [[nodiscard]] bool many() const { return (flags & 0x04U) != 0; }  // several values a key
};
// Nothing where the octets are not exactly one.
[[nodiscard]] std::optional<TreeRecord> read_tree(Octets octets);

// One of the two first pages: where a snapshot begins.
struct MetaPage {
  std::uint32_t page_size = 0;
  PageNumber last_page = 0;
  std::uint64_t transaction = 0;
  TreeRecord free;
  TreeRecord main;
};
[[nodiscard]] std::expected<MetaPage, std::string> read_meta(Octets page, PageNumber number);

enum class KeyOrder : std::uint8_t {
  octets,   // as memcmp, the shorter first
  numbers,  // of this machine, 4 or 8 octets
  unknown,
};
[[nodiscard]] KeyOrder key_order(std::uint16_t tree_flags);
[[nodiscard]] KeyOrder value_order(std::uint16_t tree_flags);
[[nodiscard]] int compare(KeyOrder order, Octets a, Octets b);

class Page {
 public:
  enum class Kind : std::uint8_t { branch, leaf, values, overflow };
  struct Node {
    enum class Value : std::uint8_t { here, overflow, table, page_of_values, tree_of_values };
    Octets key;
    Octets data;  // of a leaf: the value, or what stands for it
    Value value = Value::here;
    std::uint64_t size = 0;  // of the value, where it is on overflow pages
    PageNumber page = 0;     // the child, or the first overflow page
  };

  // Points into `octets`, which is one page (of an overflow its first). The error completes "page
  // 5:". Sound are: the number, the kind, every node's place and size, the keys' order.
  [[nodiscard]] static std::expected<Page, std::string> read(Octets octets, PageNumber number,
                                                             KeyOrder order);
  // A page of values within a leaf's node.
  [[nodiscard]] static std::expected<Page, std::string> read_inner(Octets octets, KeyOrder order);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::size_t size() const { return size_; }  // nodes, or values
  [[nodiscard]] std::size_t value_width() const { return width_; }
  [[nodiscard]] std::uint32_t overflow_pages() const { return overflow_pages_; }
  [[nodiscard]] Node node(std::size_t index) const;  // of branches and leaves
  [[nodiscard]] Octets key(std::size_t index) const;

  static constexpr std::size_t header = 16;

 private:
  Page(Octets octets) : octets_(octets) {}
  [[nodiscard]] static std::expected<Page, std::string> read_body(Octets octets,
                                                                  std::uint16_t flags,
                                                                  KeyOrder order);
  [[nodiscard]] std::string check_nodes(std::size_t upper) const;
  [[nodiscard]] std::string check_order(KeyOrder order) const;
  [[nodiscard]] std::size_t offset(std::size_t index) const;

  Octets octets_;
  Kind kind_ = Kind::leaf;
  std::size_t size_ = 0;
  std::size_t width_ = 0;
  std::uint32_t overflow_pages_ = 0;
};

}  // namespace postern::store
