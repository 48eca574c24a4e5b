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

Result<bool> is_forgotten(const Txn& txn, const Tables& tables, const ContactKey& contact) {
  auto known = txn.get(tables.contacts, contact);
  if (!known) return std::unexpected(known.error());
  if (!*known) return false;
  auto address = txn.get(tables.addresses, contact);
  if (!address) return std::unexpected(address.error());
  if (*address) return false;
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

}  // namespace postern::store
