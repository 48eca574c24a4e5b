#include "store/traffic_batch.h"

#include "store/campaigns.h"
#include "store/history.h"
#include "store/traffic.h"
#include "store/utf8.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace postern::store {
namespace {

TrafficResult result_of(policy::Reason reason) {
  switch (reason) {
    case policy::Reason::none:
      return TrafficResult::passed;
    case policy::Reason::unsubscribed:
      return TrafficResult::refused_unsubscribed;
    case policy::Reason::complained:
      return TrafficResult::refused_complained;
    case policy::Reason::bounced:
      return TrafficResult::refused_bounced;
    case policy::Reason::no_consent:
      return TrafficResult::refused_no_consent;
    case policy::Reason::blocked:
      break;
  }
  return TrafficResult::refused_blocked;
}

// The day, and the beginning of a hash: nearly always they tell two rows apart.
std::uint64_t front_of(const TrafficKeyOctets& key) {
  std::uint64_t front = 0;
  std::memcpy(&front, key.data(), sizeof front);
  return std::endian::native == std::endian::little ? __builtin_bswap64(front) : front;
}

ContactKey contact_of(const TrafficKeyOctets& key) {
  ContactKey contact{};
  std::memcpy(contact.data(), key.data() + traffic_contact_at, contact.size());
  return contact;
}

}  // namespace

Result<void> TrafficBatch::put(std::span<const policy::Passages> passages) {
  said_.reserve(passages.size());
  for (const auto& transaction : passages) {
    if (auto done = take(transaction); !done) return done;
  }
  merge();
  auto nobody = nobody_is_forgotten(txn_, tables_);
  if (!nobody) return std::unexpected(nobody.error());
  nobody_forgotten_ = *nobody;
  auto cursor = Cursor::open(txn_, tables_.traffic);
  if (!cursor) return std::unexpected(cursor.error());
  for (const Row& row : rows_) {
    if (auto done = put(row, *cursor); !done) return done;
  }
  return {};
}

Result<void> TrafficBatch::take(const policy::Passages& transaction) {
  if (transaction.recipients.empty()) return {};
  const std::uint32_t day = day_of(transaction.time);
  auto campaign = campaign_of(transaction, day);
  if (!campaign) return std::unexpected(campaign.error());
  const std::size_t from = texts_.octets().size();
  const auto sender = kept_text(transaction.sender, max_sender);
  encode(TrafficRecord{.count = 1, .last = transaction.time, .sender = sender}, texts_);
  const auto number = static_cast<std::uint32_t>(said_.size());
  said_.push_back({transaction.time, from, texts_.octets().size() - from});
  for (const auto& [recipient, reason] : transaction.recipients) {
    rows_.push_back(
        {.key = encode(TrafficKey{
             .day = day, .contact = recipient, .campaign = *campaign, .result = result_of(reason)}),
         .transaction = number});
  }
  return {};
}

Result<std::uint32_t> TrafficBatch::campaign_of(const policy::Passages& transaction,
                                                std::uint32_t day) {
  const bool same = last_ != nullptr && last_day_ == day && last_->stream == transaction.stream &&
                    last_->campaign == transaction.campaign;
  if (same) return last_campaign_;
  auto number = number_of(txn_, tables_, transaction.stream, transaction.campaign, day);
  if (!number) return number;
  last_ = &transaction;
  last_day_ = day;
  last_campaign_ = *number;
  return number;
}

// Sorted; one row of those with one key, which is the last by time. The sort moves fronts and
// places: rows are three times as large, and two fronts nearly always differ.
void TrafficBatch::merge() {
  struct Place {
    std::uint64_t front = 0;
    std::uint32_t row = 0;
  };
  std::vector<Place> places(rows_.size());
  for (std::uint32_t row = 0; row < rows_.size(); ++row) {
    places[row] = {front_of(rows_[row].key), row};
  }
  std::ranges::sort(places, [this](const Place& a, const Place& b) {
    if (a.front != b.front) return a.front < b.front;
    const Row& left = rows_[a.row];
    const Row& right = rows_[b.row];
    if (const auto order = left.key <=> right.key; order != 0) return order < 0;
    return said_[left.transaction].time < said_[right.transaction].time;
  });
  std::vector<Row> merged;
  merged.reserve(rows_.size());
  for (const Place& place : places) {
    const Row& row = rows_[place.row];
    if (merged.empty() || merged.back().key != row.key) {
      merged.push_back(row);
    } else {
      ++merged.back().times;
      merged.back().transaction = row.transaction;
    }
  }
  rows_ = std::move(merged);
}

// Asked first: nothing of who was forgotten is written, be it for a moment.
Result<void> TrafficBatch::put(const Row& row, Cursor& cursor) {
  auto forgotten = was_forgotten(contact_of(row.key));
  if (!forgotten) return std::unexpected(forgotten.error());
  if (!*forgotten) {
    auto added = add_row(txn_, cursor, row.key, value_of(row));
    return added ? Result<void>{} : std::unexpected(added.error());
  }
  TrafficKeyOctets nobody = row.key;
  std::fill_n(nobody.begin() + traffic_contact_at, ContactKey().size(), std::uint8_t{});
  value_.clear();
  encode({.count = row.times, .last = said_[row.transaction].time, .sender = {}}, value_);
  auto added = add_row(txn_, cursor, nobody, value_.octets());
  return added ? Result<void>{} : std::unexpected(added.error());
}

Octets TrafficBatch::value_of(const Row& row) {
  const auto& said = said_[row.transaction];
  const auto once = texts_.octets().subspan(said.from, said.size);
  TrafficRecord record;
  if (row.times == 1 || !decode(once, record)) return once;
  record.count = row.times;
  value_.clear();
  encode(record, value_);
  return value_.octets();
}

Result<bool> TrafficBatch::was_forgotten(const ContactKey& contact) {
  if (nobody_forgotten_) return false;
  if (absence_ != nullptr && !absence_->may_have(contact)) return false;
  return is_forgotten(txn_, tables_, contact);
}

}  // namespace postern::store
