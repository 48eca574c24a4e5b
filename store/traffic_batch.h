// Rows of many transactions at once: counted in memory, then put into the table in its order, by
// one cursor: a row costs one search of it, whether it is new or there already. Of who may be a
// contact it is asked before whether it was forgotten, where anybody was.
#pragma once

#include "base/result.h"
#include "policy/traffic.h"
#include "store/absence.h"
#include "store/cursor.h"
#include "store/keys.h"
#include "store/tables.h"
#include "store/traffic_row.h"
#include "store/txn.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace postern::store {

class TrafficBatch {
 public:
  // `absence` tells who is certainly no contact, and so was not forgotten; may be null.
  TrafficBatch(Txn& txn, const Tables& tables, const Absence* absence)
      : txn_(txn),
        tables_(tables),
        absence_(absence != nullptr && absence->holds_for(txn) ? absence : nullptr) {}

  // In the writer's transaction. Who was forgotten is counted with no name and no sender.
  [[nodiscard]] Result<void> put(std::span<const policy::Passages> passages);

 private:
  struct Row {
    TrafficKeyOctets key{};
    std::uint32_t transaction = 0;  // its last
    std::uint32_t times = 1;
  };
  // What the rows of a transaction say that are seen once, encoded.
  struct Said {
    Time time{};
    std::size_t from = 0;
    std::size_t size = 0;
  };

  [[nodiscard]] Result<void> take(const policy::Passages& transaction);
  [[nodiscard]] Result<std::uint32_t> campaign_of(const policy::Passages& transaction,
                                                  std::uint32_t day);
  void merge();
  [[nodiscard]] Result<void> put(const Row& row, Cursor& cursor);
  [[nodiscard]] Octets value_of(const Row& row);
  [[nodiscard]] Result<bool> was_forgotten(const ContactKey& contact);

  Txn& txn_;
  const Tables& tables_;
  const Absence* absence_;
  bool nobody_forgotten_ = false;
  std::vector<Row> rows_;
  std::vector<Said> said_;
  OctetWriter texts_;  // of said_
  OctetWriter value_;

  // Of the transaction before: the next one's is often the same.
  const policy::Passages* last_ = nullptr;
  std::uint32_t last_day_ = 0;
  std::uint32_t last_campaign_ = 0;
};

}  // namespace postern::store
