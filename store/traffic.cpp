#include "store/traffic.h"

#include "policy/traffic.h"
#include "store/campaigns.h"
#include "store/cursor.h"
#include "store/history.h"
#include "store/impl.h"
#include "store/kept_mail.h"
#include "store/traffic_batch.h"
#include "store/traffic_row.h"
#include "store/utf8.h"

#include <algorithm>
#include <utility>

namespace postern::store {
namespace {

constexpr std::size_t most_pruned = 20'000;    // rows of one transaction
constexpr std::uint64_t most_events = 10'000;  // that are read for one

Error damaged(const Txn& txn) { return txn.env().damaged("a row of the traffic"); }

Result<void> add(Txn& txn, const Tables& tables, const TrafficKey& key, const TrafficRecord& more) {
  auto cursor = Cursor::open(txn, tables.traffic);
  if (!cursor) return std::unexpected(cursor.error());
  OctetWriter value;
  encode(more, value);
  auto added = add_row(txn, *cursor, encode(key), value.octets());
  return added ? Result<void>{} : std::unexpected(added.error());
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
  auto forgotten = is_forgotten(txn, tables, contact);
  if (!forgotten) return std::unexpected(forgotten.error());
  const TrafficKey key{.day = day,
                       .contact = *forgotten ? ContactKey{} : contact,
                       .campaign = *number,
                       .result = result};
  const auto text = *forgotten ? std::string() : kept_text(sender, max_sender);
  return add(txn, tables, key, {.count = 1, .last = time, .sender = text});
}

Result<std::uint64_t> forget_traffic(Txn& txn, const Tables& tables, const ContactKey& contact,
                                     std::uint32_t last_day) {
  auto keys = keys_of(txn, tables, contact, last_day);
  if (!keys) return std::unexpected(keys.error());
  for (TrafficKey& key : *keys) {
    const auto octets = encode(key);
    auto value = txn.get(tables.traffic, octets);
    if (!value) return std::unexpected(value.error());
    TrafficRecord record;
    if (!*value || !decode(**value, record)) return std::unexpected(damaged(txn));
    auto done = txn.remove(tables.traffic, octets);
    key.contact = {};
    record.sender = {};
    if (done) done = add(txn, tables, key, record);
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
  const auto absence = impl_->absence->current();
  if (absence) static_cast<void>(absence->catch_up(most_events));
  const std::lock_guard lock(impl_->write_mutex);
  auto txn = Txn::write(*impl_->env);
  if (!txn) return std::unexpected(txn.error());
  TrafficBatch batch(*txn, impl_->tables, absence.get());
  if (auto done = batch.put(passages); !done) return done;
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
