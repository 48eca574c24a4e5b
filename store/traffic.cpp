#include "store/traffic.h"

#include "policy/traffic.h"
#include "store/campaigns.h"
#include "store/cursor.h"
#include "store/history.h"
#include "store/impl.h"
#include "store/kept_mail.h"
#include "store/traffic_row.h"
#include "store/utf8.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace postern::store {
namespace {

constexpr std::size_t most_pruned = 20'000;  // rows of one transaction

Error damaged(const Txn& txn) { return txn.env().damaged("a row of the traffic"); }

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

std::uint32_t sum(std::uint32_t a, std::uint32_t b) {
  return a + std::min(b, std::numeric_limits<std::uint32_t>::max() - a);
}

// `out`: room for the row, from one to the next.
Result<void> add(Txn& txn, const Tables& tables, const TrafficKey& key, TrafficRecord more,
                 OctetWriter& out) {
  const auto octets = encode(key);
  auto value = txn.get(tables.traffic, octets);
  if (!value) return std::unexpected(value.error());
  if (*value) {
    TrafficRecord before;
    if (!decode(**value, before)) return std::unexpected(damaged(txn));
    more.count = sum(more.count, before.count);
    if (before.last > more.last) {
      more.last = before.last;
      more.sender = std::move(before.sender);
    }
  }
  out.clear();
  encode(more, out);
  return txn.put(tables.traffic, octets, out.octets());
}

// As add(), of what was seen just now: who was forgotten stays so.
Result<void> count_row(Txn& txn, const Tables& tables, TrafficKey key, std::uint32_t times,
                       std::string_view sender, Time time, OctetWriter& out) {
  auto forgotten = is_forgotten(txn, tables, key.contact);
  if (!forgotten) return std::unexpected(forgotten.error());
  TrafficRecord record{.count = times, .last = time, .sender = {}};
  if (*forgotten) {
    key.contact = {};
  } else {
    record.sender = kept_text(sender, max_sender);
  }
  return add(txn, tables, key, std::move(record), out);
}

// What passages come to, row by row in the order of the table.
struct Counted {
  TrafficKey key;
  std::uint32_t times = 1;
  const policy::Passages* last = nullptr;
};

std::uint64_t front_of(const ContactKey& contact) {
  std::uint64_t front = 0;
  std::memcpy(&front, contact.data(), sizeof front);
  return std::endian::native == std::endian::little ? __builtin_bswap64(front) : front;
}

// By key, then by time. Contacts are hashes: their first octets nearly always tell.
bool comes_before(const Counted& a, const Counted& b) {
  if (a.key.day != b.key.day) return a.key.day < b.key.day;
  const auto front_a = front_of(a.key.contact);
  const auto front_b = front_of(b.key.contact);
  if (front_a != front_b) return front_a < front_b;
  if (const auto order = a.key <=> b.key; order != 0) return order < 0;
  return a.last->time < b.last->time;
}

Result<std::vector<Counted>> counted(Txn& txn, const Tables& tables, const KeyHasher& hasher,
                                     std::span<const policy::Passages> passages) {
  std::vector<Counted> rows;
  for (const policy::Passages& transaction : passages) {
    if (transaction.recipients.empty()) continue;
    const std::uint32_t day = day_of(transaction.time);
    auto campaign = number_of(txn, tables, transaction.stream, transaction.campaign, day);
    if (!campaign) return std::unexpected(campaign.error());
    for (const auto& [recipient, reason] : transaction.recipients) {
      rows.push_back({.key = {.day = day,
                              .contact = hasher(recipient.text),
                              .campaign = *campaign,
                              .result = result_of(reason)},
                      .last = &transaction});
    }
  }
  std::ranges::sort(rows, comes_before);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (kept > 0 && rows[kept - 1].key == rows[i].key) {
      ++rows[kept - 1].times;
      rows[kept - 1].last = rows[i].last;
    } else {
      rows[kept++] = rows[i];
    }
  }
  rows.resize(kept);
  return rows;
}

// The contact's keys up to that day, day by day: between them lie the rows of everybody else.
Result<std::vector<TrafficKey>> keys_of(const Txn& txn, const Tables& tables,
                                        const ContactKey& contact, std::uint32_t last_day) {
  std::vector<TrafficKey> found;
  auto cursor = Cursor::open(txn, tables.traffic);
  if (!cursor) return std::unexpected(cursor.error());
  auto more = cursor->first();
  while (more && *more) {
    TrafficKey key;
    if (!decode(cursor->key(), key)) return std::unexpected(damaged(txn));
    TrafficKey next{.day = key.day, .contact = contact};
    if (key.day > last_day) break;
    if (key.contact == contact) {
      found.push_back(key);
      more = cursor->next();
      continue;
    }
    if (key.contact > contact) ++next.day;
    more = cursor->at_or_after(encode(next));
  }
  if (!more) return std::unexpected(more.error());
  return found;
}

}  // namespace

std::string_view to_string(TrafficResult result) {
  switch (result) {
    case TrafficResult::passed:
      return "passed";
    case TrafficResult::refused_unsubscribed:
      return "refused_unsubscribed";
    case TrafficResult::refused_complained:
      return "refused_complained";
    case TrafficResult::refused_bounced:
      return "refused_bounced";
    case TrafficResult::refused_blocked:
      return "refused_blocked";
    case TrafficResult::refused_no_consent:
      return "refused_no_consent";
    case TrafficResult::unsubscribed:
      return "unsubscribed";
    case TrafficResult::complained:
      return "complained";
    case TrafficResult::bounced:
      return "bounced";
    case TrafficResult::soft_bounced:
      return "soft_bounced";
    case TrafficResult::delayed:
      return "delayed";
    case TrafficResult::delivered:
      return "delivered";
    case TrafficResult::suppressed:
      return "suppressed";
  }
  return "unknown";
}

bool is_refusal(TrafficResult result) {
  return result >= TrafficResult::refused_unsubscribed &&
         result <= TrafficResult::refused_no_consent;
}

std::uint64_t TrafficTotal::refused() const {
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (is_refusal(static_cast<TrafficResult>(i))) all += counts[i];
  }
  return all;
}

void TrafficTotal::add(const TrafficTotal& other) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  last = std::max(last, other.last);
}

Result<void> count(Txn& txn, const Tables& tables, const ContactKey& contact,
                   std::string_view stream, std::string_view campaign, TrafficResult result,
                   std::string_view sender, Time time) {
  const std::uint32_t day = day_of(time);
  auto number = number_of(txn, tables, stream, campaign, day);
  if (!number) return std::unexpected(number.error());
  const TrafficKey key{.day = day, .contact = contact, .campaign = *number, .result = result};
  OctetWriter out;
  return count_row(txn, tables, key, 1, sender, time, out);
}

Result<std::uint64_t> forget_traffic(Txn& txn, const Tables& tables, const ContactKey& contact,
                                     std::uint32_t last_day) {
  auto keys = keys_of(txn, tables, contact, last_day);
  if (!keys) return std::unexpected(keys.error());
  OctetWriter out;
  for (TrafficKey& key : *keys) {
    const auto octets = encode(key);
    auto value = txn.get(tables.traffic, octets);
    if (!value) return std::unexpected(value.error());
    TrafficRecord record;
    if (!*value || !decode(**value, record)) return std::unexpected(damaged(txn));
    auto done = txn.remove(tables.traffic, octets);
    key.contact = {};
    record.sender.clear();
    if (done) done = add(txn, tables, key, std::move(record), out);
    if (!done) return std::unexpected(done.error());
  }
  return keys->size();
}

Result<void> prune_traffic(Txn& txn, const Tables& tables, std::uint32_t day, std::size_t limit) {
  std::vector<TrafficKeyOctets> old;
  {
    auto cursor = Cursor::open(txn, tables.traffic);
    if (!cursor) return std::unexpected(cursor.error());
    auto more = cursor->first();
    for (; more && *more && old.size() < limit; more = cursor->next()) {
      TrafficKey key;
      if (!decode(cursor->key(), key)) return std::unexpected(damaged(txn));
      if (key.day >= day) break;
      old.push_back(encode(key));
    }
    if (!more) return std::unexpected(more.error());
  }
  for (const auto& key : old) {
    if (auto done = txn.remove(tables.traffic, key); !done) return done;
  }
  if (old.size() == limit) return {};
  return drop_campaigns(txn, tables, day, limit);
}

Result<void> Store::record(std::span<const policy::Passages> passages) {
  if (passages.empty()) return {};
  if (impl_->read_only) return std::unexpected(impl_->opened_for_reading());
  const std::lock_guard lock(impl_->write_mutex);
  auto txn = Txn::write(*impl_->env);
  if (!txn) return std::unexpected(txn.error());
  auto rows = counted(*txn, impl_->tables, impl_->hasher, passages);
  if (!rows) return std::unexpected(rows.error());
  OctetWriter out;
  for (const auto& [key, times, last] : *rows) {
    auto done = count_row(*txn, impl_->tables, key, times, last->sender, last->time, out);
    if (!done) return done;
  }
  return txn->commit();
}

Result<void> Store::prune_report(Time now) {
  const std::lock_guard lock(impl_->write_mutex);
  auto txn = Txn::write(*impl_->env);
  if (!txn) return std::unexpected(txn.error());
  auto pruned = prune_traffic(*txn, impl_->tables, day_of(now - traffic_kept), most_pruned);
  if (pruned) pruned = prune_mail(*txn, impl_->tables, now);
  return pruned ? txn->commit() : pruned;
}

}  // namespace postern::store
