#include "store/reactivation.h"

#include "store/batch.h"
#include "store/history.h"
#include "store/impl.h"
#include "store/side_record.h"
#include "store/standing.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

namespace postern::store {
namespace {

using Answer = Reactivation::Answer;

constexpr std::string_view count_name = "reactivations";  // in the meta table: month, count

// Months since the year 0.
std::uint32_t month_of(Time time) {
  const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(time)};
  return static_cast<std::uint32_t>(static_cast<int>(day.year()) * 12) +
         static_cast<unsigned>(day.month()) - 1;
}

Result<std::uint32_t> used_in(const Txn& txn, const Tables& tables, std::uint32_t month) {
  auto value = txn.get(tables.meta, octets_of(count_name));
  if (!value) return std::unexpected(value.error());
  if (!*value) return 0;
  OctetReader in(**value);
  const std::uint32_t of = in.u32();
  const std::uint32_t used = in.u32();
  if (!in.finished()) return std::unexpected(txn.env().damaged("its count of reactivations"));
  return of == month ? used : 0;
}

Result<void> put_used(Txn& txn, const Tables& tables, std::uint32_t month, std::uint32_t used) {
  OctetWriter out;
  out.u32(month);
  out.u32(used);
  return txn.put(tables.meta, octets_of(count_name), out.octets());
}

Result<BounceHold> with_evidence(const Txn& txn, const Tables& tables, const policy::Hold& hold) {
  const EventKey key = event_key(hold.event);
  auto octets = txn.get(tables.events, key);
  if (!octets) return std::unexpected(octets.error());
  EventRecord record;
  if (!*octets || !decode(**octets, record)) {
    return std::unexpected(txn.env().damaged("the record of an event"));
  }
  auto text = txn.get(tables.texts, key);
  if (!text) return std::unexpected(text.error());
  SideRecord side;
  if (*text && !decode(**text, side)) {
    return std::unexpected(txn.env().damaged("the text of an event"));
  }
  BounceHold found{.hold = hold, .evidence = {}, .source = {}, .note = std::move(side.note)};
  found.source = std::move(record.source);
  if (auto* placed = std::get_if<policy::HoldPlaced>(&record.facts)) {
    found.evidence = std::move(placed->evidence);
  }
  return found;
}

bool is_reactivation(const EventRecord& record) {
  const auto* lifted = std::get_if<policy::HoldsLifted>(&record.facts);
  return lifted != nullptr && lifted->reactivation;
}

bool says_unknown(const BounceHold& one) {
  return one.evidence && one.evidence->reason == policy::BounceReason::user_unknown;
}

// A bounce that came while a hold stood already is a report.
bool reports_unknown(const EventRecord& record) {
  const auto* reported = std::get_if<policy::Reported>(&record.facts);
  return reported != nullptr && reported->evidence.type == policy::ReturnType::bounce &&
         reported->evidence.reason == policy::BounceReason::user_unknown;
}

// Everything but the deed.
Result<Reactivation> weigh(const Txn& txn, const Tables& tables, const ContactKey& key,
                           const policy::Contact& contact, bool seen, Time now) {
  Reactivation found;
  auto size = txn.size(tables.contacts);
  if (!size) return std::unexpected(size.error());
  found.limit = reactivations_a_month(size->entries);
  auto used = used_in(txn, tables, month_of(now));
  if (!used) return std::unexpected(used.error());
  found.used = *used;
  for (const policy::Hold& hold : contact.holds) {
    if (hold.kind != policy::HoldKind::bounced || over(hold, now)) continue;
    if (lifted_whole(hold, contact)) continue;
    auto one = with_evidence(txn, tables, hold);
    if (!one) return std::unexpected(one.error());
    found.holds.push_back(*std::move(one));
  }
  std::optional<Time> unknown;
  std::optional<Time> sign_of_life;
  auto read = each_event(txn, tables, key,
                         [&](const EventKey& /*id*/, const EventRecord& record) -> Result<void> {
                           if (reports_unknown(record)) {
                             unknown = std::max(unknown, std::optional(record.happened));
                           }
                           if (shows_life(record)) {
                             sign_of_life = std::max(sign_of_life, std::optional(record.happened));
                           }
                           if (is_reactivation(record)) {
                             found.before = std::max(found.before, std::optional(record.recorded));
                           }
                           return {};
                         });
  if (!read) return std::unexpected(read.error());
  if (found.holds.empty()) {
    found.answer = Answer::nothing;
  } else if (found.before) {
    found.answer = Answer::once_already;
  } else if (!seen && (unknown > sign_of_life || std::ranges::any_of(found.holds, says_unknown))) {
    found.answer = Answer::user_unknown;
  } else if (found.used >= found.limit) {
    found.answer = Answer::month_spent;
  } else {
    found.answer = Answer::allowed;
  }
  return found;
}

}  // namespace

std::uint32_t reactivations_a_month(std::uint64_t contacts) {
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(contacts / 50, 10, 1000));
}

Result<Reactivation> Store::reactivation(const policy::CanonicalAddress& address, bool seen,
                                         Time now) const {
  auto stands = contact(address);
  if (!stands) return std::unexpected(stands.error());
  const KeyHasher hasher(impl_->hash_key);
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  return weigh(*txn, impl_->tables, hasher(address.text), *stands, seen, now);
}

Result<Reactivation> Store::reactivate(const policy::CanonicalAddress& address, bool seen,
                                       const Origin& origin, Time now) {
  if (impl_->read_only) return std::unexpected(impl_->opened_for_reading());
  const std::lock_guard lock(impl_->write_mutex);
  auto batch = Batch::begin(*impl_->env, impl_->tables, impl_->hasher, impl_->rules);
  if (!batch) return std::unexpected(batch.error());
  auto target = batch->read(address);
  if (!target) return std::unexpected(target.error());
  auto found = weigh(batch->txn(), impl_->tables, target->key, target->contact, seen, now);
  if (!found || found->answer != Answer::allowed) return found;
  auto forgotten = is_forgotten(batch->txn(), impl_->tables, target->key);
  if (!forgotten) return std::unexpected(forgotten.error());
  if (*forgotten) target->address.text.clear();
  policy::HoldsLifted lifted{.holds = {}, .scope = {}, .undo = false, .reactivation = true};
  for (const BounceHold& one : found->holds) lifted.holds.push_back(one.hold.id);
  auto done = batch->append(*target, std::move(lifted), now, now, origin);
  if (done) done = batch->write(*target);
  if (done) done = put_used(batch->txn(), impl_->tables, month_of(now), found->used + 1);
  if (done) done = batch->commit();
  if (!done) return std::unexpected(done.error());
  ++found->used;
  return found;
}

}  // namespace postern::store
