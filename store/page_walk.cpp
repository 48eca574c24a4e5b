#include "store/page_walk.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::store {
namespace {

constexpr std::size_t most_problems = 1000;
constexpr unsigned deepest_tree = 32;  // LMDB's own limit
constexpr const char* table_of_tables = "(tables)";
constexpr const char* free_table = "(free pages)";

// Which pages were met.
class PageSet {
 public:
  explicit PageSet(PageNumber size) : bits_(size) {}
  // False where it is in there already.
  bool add(PageNumber page) {
    if (bits_[page]) return false;
    bits_[page] = true;
    ++count_;
    return true;
  }
  [[nodiscard]] bool contains(PageNumber page) const { return bits_[page]; }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::vector<bool> bits_;
  std::uint64_t count_ = 0;
};

// From a key on (itself included) up to another; without one to the beginning or the end.
struct Range {
  std::optional<Octets> from;
  std::optional<Octets> before;
};

class Walk {
 public:
  Walk(const PageFile& file, const MetaPage& meta, const EntrySink& entry)
      : file_(file),
        meta_(meta),
        entry_(entry),
        // Free pages at its end a file need not have.
        pages_(std::min(meta.last_page + 1,
                        std::max<PageNumber>(file.size() / meta.page_size, meta_pages))),
        reached_(pages_) {}

  void complain(PageNumber page, std::string_view table, std::string what) {
    const auto known = std::ranges::find(report.tables, table, &PageReport::Table::name);
    if (known != report.tables.end()) known->sound = false;
    if (report.problems.size() < most_problems) {
      report.problems.push_back({page, std::string(table), std::move(what)});
    } else {
      ++report.more_problems;
    }
  }

  void run() {
    report.transaction = meta_.transaction;
    std::vector<std::pair<std::string, TreeRecord>> tables;
    walk_table(table_of_tables, meta_.main, [&](const Page::Node& node) {
      if (node.value != Page::Node::Value::table) return false;
      tables.emplace_back(text_of(node.key), *read_tree(node.data));
      return true;
    });
    PageSet free(pages_);
    walk_table(free_table, meta_.free, {}, [&](Octets, Octets row) { collect(row, free); });
    for (const auto& [name, tree] : tables) walk_table(name, tree);
    if (report.sound()) {
      const std::uint64_t known = meta_pages + reached_.count() + free.count() + beyond_;
      report.lost_pages = meta_.last_page + 1 - std::min(meta_.last_page + 1, known);
    }
    for (PageNumber page = meta_pages; page < pages_; ++page) {
      if (free.contains(page) && reached_.contains(page)) {
        complain(page, free_table, "it is in use and listed as free");
      }
    }
  }

  PageReport report;

 private:
  using TreeSink = std::function<bool(const Page::Node&)>;
  using RowSink = std::function<void(Octets key, Octets value)>;

  // One B-tree on its way.
  struct Tree {
    std::string_view table;
    TreeRecord record;
    KeyOrder order;
    bool of_values;  // the values of one key: leaves without values of their own
    const TreeSink* trees;
    const RowSink* rows;
    Octets key{};  // whose values these are
    std::uint64_t branch_pages = 0;
    std::uint64_t leaf_pages = 0;
    std::uint64_t overflow_pages = 0;
    std::uint64_t entries = 0;
    bool sound = true;
  };

  void walk_table(std::string_view name, const TreeRecord& record, const TreeSink& trees = {},
                  const RowSink& rows = {}) {
    report.tables.push_back({.name = std::string(name)});
    const RowSink deliver = [&](Octets key, Octets value) {
      if (entry_) entry_(name, key, value);
    };
    // The list of free pages has the flags of the file where others have those of the tree.
    const auto order = name == free_table ? KeyOrder::numbers : key_order(record.flags);
    Tree tree{.table = name,
              .record = record,
              .order = order,
              .of_values = false,
              .trees = &trees,
              .rows = rows ? &rows : &deliver};
    walk_tree(tree);
    auto& table = report.tables.back();
    table.entries = tree.entries;
  }

  void wrong(Tree& tree, PageNumber page, std::string what) {
    tree.sound = false;
    complain(page, tree.table, std::move(what));
  }

  void walk_tree(Tree& tree) {
    const TreeRecord& record = tree.record;
    if (record.root == no_page) {
      if (record.entries != 0) {
        wrong(tree, 0, fmt::format("it has no pages, and should have {} entries", record.entries));
      }
      return;
    }
    if (record.depth == 0 || record.depth > deepest_tree) {
      wrong(tree, record.root, fmt::format("its tree is {} pages deep", record.depth));
      return;
    }
    walk_page(tree, record.root, record.depth, {});
    if (!tree.sound) return;
    const auto same = [&](const char* what, std::uint64_t found, std::uint64_t wanted) {
      if (found == wanted) return;
      wrong(tree, record.root, fmt::format("it leads to {} {}, not {}", found, what, wanted));
    };
    same("entries", tree.entries, record.entries);
    same("leaves", tree.leaf_pages, record.leaf_pages);
    same("branches", tree.branch_pages, record.branch_pages);
    same("overflow pages", tree.overflow_pages, record.overflow_pages);
  }

  // Whether it may be read: in the file, and met for the first time. The page that names it is not
  // said: it is sound by itself.
  bool may_read(Tree& tree, PageNumber page) {
    if (page < meta_pages || page > meta_.last_page) {
      wrong(tree, page, fmt::format("there is no such page; the last one is {}", meta_.last_page));
    } else if (page >= pages_) {
      wrong(tree, page, "the file ends before it");
    } else if (!reached_.add(page)) {
      wrong(tree, page, "two others lead to it");
    } else {
      return true;
    }
    return false;
  }

  void walk_page(Tree& tree, PageNumber number, unsigned levels, const Range& range) {
    if (!may_read(tree, number)) return;
    std::vector<std::uint8_t> octets(meta_.page_size);
    if (file_.read(number * meta_.page_size, octets) != octets.size()) {
      return wrong(tree, number, "it cannot be read from the disk");
    }
    const auto page = Page::read(octets, number, tree.order);
    if (!page) return wrong(tree, number, page.error());
    if (auto what = check_place(tree, *page, levels, range); !what.empty()) {
      return wrong(tree, number, std::move(what));
    }
    ++report.tables.back().pages;
    if (page->kind() != Page::Kind::branch) {
      ++tree.leaf_pages;
      return walk_leaf(tree, *page, number);
    }
    ++tree.branch_pages;
    announce_children(*page);
    for (std::size_t i = 0; i < page->size(); ++i) {
      const Range part{i == 0 ? range.from : page->key(i),
                       i + 1 < page->size() ? page->key(i + 1) : range.before};
      walk_page(tree, page->node(i).page, levels - 1, part);
    }
  }

  // One read after the other would wait for the disk each time. Neighbours, which are written one
  // behind the other, are announced as one.
  void announce_children(const Page& page) const {
    PageNumber first = 0;
    PageNumber count = 0;
    const auto announce = [&] { file_.announce(first * meta_.page_size, count * meta_.page_size); };
    for (std::size_t i = 0; i < page.size(); ++i) {
      const PageNumber child = page.node(i).page;
      if (count > 0 && child == first + count) {
        ++count;
        continue;
      }
      if (count > 0) announce();
      first = child;
      count = 1;
    }
    if (count > 0) announce();
  }

  // Whether the page is one that belongs there.
  static std::string check_place(const Tree& tree, const Page& page, unsigned levels,
                                 const Range& range) {
    using Kind = Page::Kind;
    if (page.kind() == Kind::overflow) return "it is an overflow page, where a tree goes on";
    if ((page.kind() == Kind::branch) != (levels > 1)) {
      return fmt::format("it is a {}, {} levels above the leaves",
                         page.kind() == Kind::branch ? "branch" : "leaf", levels - 1);
    }
    if (page.kind() == Kind::values &&
        (!tree.of_values || page.value_width() != tree.record.value_width)) {
      return "it is a page of values, and they are not of this table";
    }
    if (tree.order == KeyOrder::unknown) return {};
    const std::size_t first = page.kind() == Kind::branch ? 1 : 0;
    if (first >= page.size()) return {};
    if ((range.from && compare(tree.order, page.key(first), *range.from) < 0) ||
        (range.before && compare(tree.order, page.key(page.size() - 1), *range.before) >= 0)) {
      return "its keys are not those that the page above it names";
    }
    return {};
  }

  void walk_leaf(Tree& tree, const Page& page, PageNumber number) {
    using enum Page::Node::Value;
    for (std::size_t i = 0; i < page.size(); ++i) {
      if (tree.of_values) {
        ++tree.entries;
        (*tree.rows)(tree.key, page.key(i));
        continue;
      }
      const Page::Node node = page.node(i);
      switch (node.value) {
        case here:
          ++tree.entries;
          (*tree.rows)(node.key, node.data);
          break;
        case overflow:
          read_overflow(tree, node);
          break;
        case table:
          // Of the table of tables alone.
          if (*tree.trees && (*tree.trees)(node)) {
            ++tree.entries;
          } else {
            wrong(tree, number, fmt::format("its entry {} is a table within a table", i));
          }
          break;
        case page_of_values:
          read_values(tree, node, number, i);
          break;
        case tree_of_values:
          walk_values(tree, node, number, i);
          break;
      }
    }
  }

  void read_overflow(Tree& tree, const Page::Node& node) {
    if (!may_read(tree, node.page)) return;
    std::array<std::uint8_t, Page::header> begin{};
    if (file_.read(node.page * meta_.page_size, begin) != begin.size()) {
      return wrong(tree, node.page, "it cannot be read from the disk");
    }
    const auto page = Page::read(begin, node.page, tree.order);
    if (!page || page->kind() != Page::Kind::overflow) {
      return wrong(tree, node.page, page ? "it is no overflow page" : page.error());
    }
    const std::uint64_t count = page->overflow_pages();
    if (count > pages_ - node.page || Page::header + node.size > count * meta_.page_size) {
      return wrong(tree, node.page, fmt::format("it has {} pages for {} octets", count, node.size));
    }
    for (PageNumber next = node.page + 1; next < node.page + count; ++next) {
      if (!may_read(tree, next)) return;
    }
    std::vector<std::uint8_t> value(node.size);
    if (file_.read(node.page * meta_.page_size + Page::header, value) != value.size()) {
      return wrong(tree, node.page, "it cannot be read from the disk");
    }
    tree.overflow_pages += count;
    report.tables.back().pages += count;
    ++tree.entries;
    (*tree.rows)(node.key, value);
  }

  void read_values(Tree& tree, const Page::Node& node, PageNumber number, std::size_t index) {
    const auto inner = Page::read_inner(node.data, value_order(tree.record.flags));
    if (!tree.record.many() || !inner) {
      return wrong(tree, number,
                   fmt::format("its entry {}: {}", index,
                               inner ? "many values, where one belongs" : inner.error()));
    }
    tree.entries += inner->size();
    for (std::size_t i = 0; i < inner->size(); ++i) (*tree.rows)(node.key, inner->key(i));
  }

  void walk_values(Tree& tree, const Page::Node& node, PageNumber number, std::size_t index) {
    const auto record = read_tree(node.data);
    if (!tree.record.many() || !record) {
      return wrong(tree, number, fmt::format("its entry {}: a tree, where a value belongs", index));
    }
    Tree values{.table = tree.table,
                .record = *record,
                .order = value_order(tree.record.flags),
                .of_values = true,
                .trees = nullptr,
                .rows = tree.rows,
                .key = node.key};
    walk_tree(values);
    tree.entries += values.entries;
    tree.sound = tree.sound && values.sound;
  }

  // A row of the list of free pages: how many, and their numbers, falling.
  void collect(Octets row, PageSet& free) {
    std::vector<std::uint64_t> numbers(row.size() / sizeof(std::uint64_t));
    if (!numbers.empty()) {
      std::memcpy(numbers.data(), row.data(), numbers.size() * sizeof(std::uint64_t));
    }
    if (numbers.empty() || numbers[0] >= numbers.size()) {
      return complain(meta_.free.root, free_table, "a row of it has another length than it says");
    }
    for (std::uint64_t i = 1; i <= numbers[0]; ++i) {
      const PageNumber page = numbers[i];
      if (page < meta_pages || page > meta_.last_page) {
        complain(page, free_table, "it is listed as free, and there is no such page");
      } else if (page >= pages_) {
        ++beyond_;
      } else if (!free.add(page)) {
        complain(page, free_table, "it is listed as free twice");
      }
    }
  }

  const PageFile& file_;
  const MetaPage& meta_;
  const EntrySink& entry_;
  PageNumber pages_;
  PageSet reached_;
  std::uint64_t beyond_ = 0;  // free pages behind the end of the file
};

}  // namespace

std::size_t PageFile::read(std::uint64_t at, std::span<std::uint8_t> into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const auto got = ::pread(descriptor_, into.data() + done, into.size() - done,
                             static_cast<::off_t>(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void PageFile::announce(std::uint64_t at, std::uint64_t size) const {
  static_cast<void>(::posix_fadvise(descriptor_, static_cast<::off_t>(at),
                                    static_cast<::off_t>(size), POSIX_FADV_WILLNEED));
}

std::uint64_t PageFile::size() const {
  struct stat info{};
  return ::fstat(descriptor_, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

PageReport walk_pages(const PageFile& file, const MetaPage& meta, const EntrySink& entry) {
  Walk way(file, meta, entry);
  way.run();
  return std::move(way.report);
}

}  // namespace postern::store
