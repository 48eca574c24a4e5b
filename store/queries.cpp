// What people and the operator's verbs ask of a store: contacts, their history, sizes. Each answer
// is of one snapshot; whatever walks the whole store takes a new one every so many rows.
#include "base/text.h"
#include "store/compaction.h"
#include "store/contact_record.h"
#include "store/cursor.h"
#include "store/event_record.h"
#include "store/impl.h"
#include "store/location.h"
#include "store/side_record.h"
#include "store/standing.h"
#include "store/walk.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>

namespace postern::store {
namespace {

Result<std::string> text_at(const Txn& txn, Table table, Octets key) {
  auto text = txn.get(table, key);
  if (!text) return std::unexpected(text.error());
  return std::string(*text ? text_of(**text) : std::string_view{});
}

Result<HistoryEntry> entry_of(const Txn& txn, const Tables& tables, const EventKey& key) {
  auto octets = txn.get(tables.events, key);
  if (!octets) return std::unexpected(octets.error());
  if (!*octets) return fail(Errc::not_found, "no such event");
  EventRecord record;
  if (!decode(**octets, record))
    return std::unexpected(txn.env().damaged("the record of an event"));
  auto text = txn.get(tables.texts, key);
  if (!text) return std::unexpected(text.error());
  SideRecord side;
  if (*text && !decode(**text, side)) {
    return std::unexpected(txn.env().damaged("the text of an event"));
  }
  HistoryEntry entry{
      .event = {event_id(key), record.happened, record.recorded, std::move(record.facts)},
      .source = std::move(record.source),
      .note = std::move(side.note),
      .by = std::move(record.by),
      .import = {},
      .mail = std::move(side.mail)};
  if (record.import == 0) return entry;
  auto import = get_import(txn, tables, record.import);
  if (!import) return std::unexpected(import.error());
  if (!*import) return std::unexpected(txn.env().damaged("the list of imports"));
  entry.import = (*import)->name;
  if (entry.source.empty()) entry.source = (*import)->source;
  if (entry.by.empty()) entry.by = (*import)->by;
  return entry;
}

Result<std::vector<HistoryEntry>> history_of(const Txn& txn, const Tables& tables,
                                             const ContactKey& key) {
  auto cursor = Cursor::open(txn, tables.by_contact);
  if (!cursor) return std::unexpected(cursor.error());
  std::vector<HistoryEntry> history;
  auto more = cursor->at(key);
  for (; more && *more; more = cursor->next_of_key()) {
    EventKey event{};
    OctetReader value(cursor->value());
    value.raw(event);
    if (!value.finished()) return std::unexpected(txn.env().damaged("the list of events"));
    auto entry = entry_of(txn, tables, event);
    if (!entry) return std::unexpected(entry.error());
    history.push_back(std::move(*entry));
  }
  if (!more) return std::unexpected(more.error());
  std::ranges::sort(history, std::ranges::greater{}, [](const HistoryEntry& entry) {
    return std::pair(entry.event.recorded, entry.event.id);
  });
  return history;
}

void count(const policy::Contact& contact, Time now, Stats& stats) {
  const auto stands = [&](policy::HoldKind kind) {
    return std::ranges::any_of(contact.holds, [&](const policy::Hold& hold) {
      return hold.kind == kind && !over(hold, now) && !lifted_whole(hold, contact);
    });
  };
  bool held = false;
  const auto add = [&](policy::HoldKind kind, std::uint64_t& number) {
    if (!stands(kind)) return;
    ++number;
    held = true;
  };
  add(policy::HoldKind::unsubscribed, stats.unsubscribed);
  add(policy::HoldKind::complained, stats.complained);
  add(policy::HoldKind::bounced, stats.bounced);
  add(policy::HoldKind::blocked, stats.blocked);
  if (!held) ++stats.active;
  const auto stands_still = [&](const policy::Consent& consent) {
    return !policy::withdrawn(consent, contact);
  };
  if (std::ranges::any_of(contact.consents, stands_still)) ++stats.consents;
}

}  // namespace

Result<policy::Contact> Store::contact(const policy::CanonicalAddress& address) const {
  const KeyHasher hasher(impl_->hash_key);
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  const Table table = impl_->tables.of(address);
  auto record = txn->get(table, hasher(address.text));
  if (!record) return std::unexpected(record.error());
  policy::Contact contact;
  if (*record && !decode(**record, contact)) {
    return std::unexpected(impl_->env->damaged("the record of " + address.text));
  }
  return contact;
}

Result<std::vector<HistoryEntry>> Store::history(const policy::CanonicalAddress& address) const {
  const KeyHasher hasher(impl_->hash_key);
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  return history_of(*txn, impl_->tables, hasher(address.text));
}

Result<std::vector<HistoryEntry>> Store::history(const policy::ContactRef& ref) const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  return history_of(*txn, impl_->tables, ref);
}

Result<policy::ContactRef> Store::ref(const policy::CanonicalAddress& address) const {
  const KeyHasher hasher(impl_->hash_key);
  return hasher(address.text);
}

Result<policy::CanonicalAddress> Store::address(const policy::ContactRef& ref) const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  auto text = text_at(*txn, impl_->tables.addresses, ref);
  if (!text) return std::unexpected(text.error());
  return policy::CanonicalAddress{std::move(*text)};
}

Result<HistoryEntry> Store::event(const policy::EventId& id) const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  return entry_of(*txn, impl_->tables, event_key(id));
}

// A page's last key is the table's letter and the contact's key: mailboxes first, then domains,
// then hash lists.
Result<Store::Page> Store::contacts(std::string_view after, std::size_t limit) const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  Page page;
  using Form = ContactRecord::Form;
  for (const auto& [letter, table, form] : {std::tuple{'c', impl_->tables.contacts, Form::mailbox},
                                            std::tuple{'d', impl_->tables.domains, Form::domain},
                                            std::tuple{'h', impl_->tables.digests, Form::digest}}) {
    if (!after.empty() && after.front() > letter) continue;
    auto cursor = Cursor::open(*txn, table);
    if (!cursor) return std::unexpected(cursor.error());
    const bool goes_on = after.starts_with(letter);
    const Octets last = octets_of(goes_on ? after.substr(1) : std::string_view{});
    auto more = goes_on ? cursor->at_or_after(last) : cursor->first();
    if (goes_on && more && *more && std::ranges::equal(cursor->key(), last)) more = cursor->next();
    for (; more && *more; more = cursor->next()) {
      if (page.records.size() == limit) return page;
      auto address = text_at(*txn, impl_->tables.addresses, cursor->key());
      if (!address) return std::unexpected(address.error());
      ContactRecord& record = page.records.emplace_back();
      record.form = form;
      record.address.text = std::move(*address);
      if (!decode(cursor->value(), record.contact)) {
        return std::unexpected(impl_->env->damaged("the record of " + record.address.text));
      }
      page.last_key = letter;
      page.last_key += text_of(cursor->key());
    }
    if (!more) return std::unexpected(more.error());
  }
  page.last_key.clear();
  return page;
}

Result<std::vector<std::string>> Store::stream_names() const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  auto cursor = Cursor::open(*txn, impl_->tables.streams);
  if (!cursor) return std::unexpected(cursor.error());
  std::vector<std::string> names;
  auto more = cursor->first();
  for (; more && *more; more = cursor->next()) names.emplace_back(text_of(cursor->key()));
  if (!more) return std::unexpected(more.error());
  return names;
}

Result<std::vector<ImportRecord>> Store::imports() const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  return all_imports(*txn, impl_->tables);
}

Result<Stats> Store::stats(Time now) const {
  Stats stats;
  {
    auto txn = impl_->read();
    if (!txn) return std::unexpected(txn.error());
    const Tables& tables = impl_->tables;
    for (const Table table :
         {tables.root, tables.meta, tables.contacts, tables.domains, tables.digests, tables.folded,
          tables.events, tables.by_contact, tables.texts, tables.addresses, tables.streams,
          tables.imports, tables.repeated, tables.traffic, tables.campaigns}) {
      auto size = txn->size(table);
      if (!size) return std::unexpected(size.error());
      stats.bytes_used += size->octets;
      if (table == tables.contacts) stats.contacts = size->entries;
      if (table == tables.domains) stats.domains = size->entries;
      if (table == tables.digests) stats.hashed = size->entries;
      if (table == tables.events) stats.events = size->entries;
    }
    for (const auto& table : {tables.ledger, tables.contexts, tables.reports, tables.return_mail}) {
      if (!table) continue;
      auto size = txn->size(*table);
      if (!size) return std::unexpected(size.error());
      stats.bytes_used += size->octets;
      if (table == tables.ledger) stats.copies = size->entries;
      if (table == tables.return_mail) stats.return_mail = size->entries;
    }
    auto owed = compaction_owed(*txn, tables);
    if (!owed) return std::unexpected(owed.error());
    stats.compaction_owed = owed->has_value();
  }
  std::error_code error;
  stats.bytes_file = std::filesystem::file_size(data_file(impl_->env->directory()), error);
  if (error) return fail(Errc::io, error.message());

  policy::Contact contact;
  auto counted =
      walk(*impl_->env, impl_->tables.contacts,
           [&](const Txn& txn, Octets key, Octets record) -> Result<void> {
             if (!decode(record, contact)) {
               return std::unexpected(txn.env().damaged("the record of contact " + to_hex(key)));
             }
             count(contact, now, stats);
             return {};
           });
  if (!counted) return std::unexpected(std::move(counted).error());
  return stats;
}

}  // namespace postern::store
