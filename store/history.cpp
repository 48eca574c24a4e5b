#include "store/history.h"

#include <variant>

namespace postern::store {
namespace {

// Made by return mail.
bool is_by_mail(const EventRecord& record) {
  if (std::holds_alternative<policy::Reported>(record.facts)) return true;
  const auto* placed = std::get_if<policy::HoldPlaced>(&record.facts);
  return placed != nullptr && placed->evidence && !placed->imported;
}

}  // namespace

bool shows_life(const EventRecord& record) {
  if (record.import != 0) return false;
  if (std::holds_alternative<policy::ConsentGiven>(record.facts)) return true;
  if (const auto* reported = std::get_if<policy::Reported>(&record.facts)) {
    return reported->weight == policy::Reported::Weight::sign_of_life;
  }
  if (const auto* lifted = std::get_if<policy::HoldsLifted>(&record.facts)) {
    return lifted->reactivation;
  }
  const auto* placed = std::get_if<policy::HoldPlaced>(&record.facts);
  return placed != nullptr && (placed->kind == policy::HoldKind::unsubscribed ||
                               placed->kind == policy::HoldKind::complained);
}

Result<bool> is_forgotten(const Txn& txn, const Tables& tables, const ContactKey& contact) {
  auto address = txn.get(tables.addresses, contact);
  if (!address) return std::unexpected(address.error());
  if (*address) return false;
  auto known = txn.get(tables.contacts, contact);
  if (!known) return std::unexpected(known.error());
  if (!*known) return false;
  bool any = false;
  bool by_mail_alone = true;
  auto done = each_event(txn, tables, contact,
                         [&](const EventKey& /*id*/, const EventRecord& record) -> Result<void> {
                           any = true;
                           by_mail_alone = by_mail_alone && is_by_mail(record);
                           return {};
                         });
  if (!done) return std::unexpected(done.error());
  return !any || !by_mail_alone;
}

// An address is written with the record that it is of, and goes with it or before it.
Result<bool> nobody_is_forgotten(const Txn& txn, const Tables& tables) {
  std::uint64_t records = 0;
  for (const Table table : {tables.contacts, tables.domains, tables.digests}) {
    auto size = txn.size(table);
    if (!size) return std::unexpected(size.error());
    records += size->entries;
  }
  auto addresses = txn.size(tables.addresses);
  if (!addresses) return std::unexpected(addresses.error());
  return records == addresses->entries;
}

}  // namespace postern::store
