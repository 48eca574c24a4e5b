// The events of one contact, in the order of their ids.
#pragma once

#include "store/cursor.h"
#include "store/event_record.h"
#include "store/tables.h"
#include "store/txn.h"

#include <utility>

namespace postern::store {

// `visit` is called with the id (EventKey) and the EventRecord of each, and returns Result<void>.
// Nothing may be written meanwhile.
template <class Visit>
[[nodiscard]] Result<void> each_event(const Txn& txn, const Tables& tables,
                                      const ContactKey& contact, Visit visit) {
  auto cursor = Cursor::open(txn, tables.by_contact);
  if (!cursor) return std::unexpected(cursor.error());
  auto more = cursor->at(contact);
  for (; more && *more; more = cursor->next_of_key()) {
    EventKey id{};
    OctetReader(cursor->value()).raw(id);
    auto octets = txn.get(tables.events, id);
    if (!octets) return std::unexpected(octets.error());
    EventRecord record;
    if (!*octets || !decode(**octets, record)) {
      return std::unexpected(txn.env().damaged("the record of an event"));
    }
    if (auto done = visit(id, std::move(record)); !done) return done;
  }
  if (!more) return std::unexpected(more.error());
  return {};
}

// Mail arrived, a person answered, the contact's own acts, and the operator's word that mail
// arrives; what an import knew is none.
[[nodiscard]] bool shows_life(const EventRecord& record);

// There is a record of this mailbox, and its address was erased. One that return mail alone made,
// by a token's hash, never had any.
[[nodiscard]] Result<bool> is_forgotten(const Txn& txn, const Tables& tables,
                                        const ContactKey& contact);
// Every record has its address. False where one has none: then is_forgotten() has to be asked.
[[nodiscard]] Result<bool> nobody_is_forgotten(const Txn& txn, const Tables& tables);

}  // namespace postern::store
