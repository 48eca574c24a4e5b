#include "store/spellings.h"

#include "store/cursor.h"

#include <algorithm>
#include <optional>
#include <string>

namespace postern::store {
namespace {

constexpr std::string_view ahead_name = "spellings-ahead";

// Of the folded table, in its order: behind the last row where that is the place, so that pages of
// an empty table are filled whole. What is there already is only looked at: a put of it would copy
// its page.
class InOrder {
 public:
  InOrder(Txn& txn, Table table) : txn_(txn), table_(table) {}

  Result<void> add(const ContactKey& form, Octets contact) {
    auto appended = append(form, contact);
    if (!appended) return std::unexpected(appended.error());
    if (*appended) return {};
    if (!place_) {
      auto opened = Cursor::open(txn_, table_);
      if (!opened) return std::unexpected(opened.error());
      place_ = *std::move(opened);
    }
    auto more = place_->at(form);
    for (; more && *more; more = place_->next_of_key()) {
      if (std::ranges::equal(place_->value(), contact)) return {};
    }
    if (!more) return std::unexpected(more.error());
    if (auto added = place_->add_value(form, contact); !added)
      return std::unexpected(added.error());
    return {};
  }

 private:
  Result<bool> append(const ContactKey& form, Octets contact) {
    constexpr unsigned most_misses = 8;
    if (misses_ == most_misses) return false;
    if (!end_) {
      auto opened = Cursor::open(txn_, table_);
      if (!opened) return std::unexpected(opened.error());
      end_ = *std::move(opened);
    }
    auto appended = end_->append(form, contact);
    if (appended && *appended) {
      misses_ = 0;
      place_.reset();
    } else {
      ++misses_;
      end_.reset();  // as Cursor::append() says
    }
    return appended;
  }

  Txn& txn_;
  Table table_;
  std::optional<Cursor> end_;
  std::optional<Cursor> place_;
  unsigned misses_ = 0;
};

}  // namespace

Result<std::uint64_t> spellings_ahead(const Txn& txn, const Tables& tables) {
  auto value = txn.get(tables.meta, octets_of(ahead_name));
  if (!value) return std::unexpected(value.error());
  if (!*value) return 0;
  OctetReader in(**value);
  const std::uint64_t times = in.u64();
  if (!in.finished()) return std::unexpected(txn.env().damaged("its count of spellings"));
  return times;
}

Result<void> Spellings::begin(const Txn& txn, const Tables& tables) {
  auto changes = rule_changes(txn, tables);
  if (!changes) return std::unexpected(changes.error());
  rule_changes_ = *changes;
  return rules_.read(txn, tables);
}

Result<void> Spellings::add(const KeyHasher& hasher, const policy::CanonicalAddress& address,
                            const ContactKey& key) {
  const std::string form = policy::folded(address, rules_.providers());
  if (form.empty()) return {};
  OctetReader first(key);
  return sorter_.add({.key = hasher(form), .place = first.u64(), .octets = key});
}

Result<bool> Spellings::write(Txn& txn, const Tables& tables, std::size_t most) {
  auto same = has_same_rules(txn, tables);
  if (!same) return same;
  if (!*same) return false;
  auto ahead = spellings_ahead(txn, tables);
  if (!ahead) return std::unexpected(ahead.error());
  OctetWriter number;
  number.u64(*ahead + 1);
  if (auto put = txn.put(tables.meta, octets_of(ahead_name), number.octets()); !put) {
    return std::unexpected(put.error());
  }
  InOrder folded(txn, tables.folded);
  Sorter::Record record;
  for (; most > 0; --most) {
    auto more = sorter_.next(record);
    if (!more) return more;
    written_ = !*more;
    if (written_) return false;
    if (auto added = folded.add(record.key, record.octets); !added) {
      return std::unexpected(added.error());
    }
  }
  return true;
}

Result<bool> Spellings::has_same_rules(const Txn& txn, const Tables& tables) const {
  auto changes = rule_changes(txn, tables);
  if (!changes) return std::unexpected(changes.error());
  // An earlier program changes the rules and does not count it.
  Rules rules = rules_;
  if (auto read = rules.read(txn, tables); !read) return std::unexpected(read.error());
  return rules == rules_ && *changes == rule_changes_;
}

Result<bool> Spellings::are_written(const Txn& txn, const Tables& tables) const {
  return written_ ? has_same_rules(txn, tables) : Result<bool>(false);
}

}  // namespace postern::store
