// What people and the operator's verbs ask of a store: contacts, their history, sizes. Each answer
// is of one snapshot; whatever walks the whole store takes a new one every so many rows.
#include "store/contact_record.h"
#include "store/cursor.h"
#include "store/event_record.h"
#include "store/impl.h"
#include "store/location.h"
#include "store/standing.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace postern::store {
namespace {

constexpr std::size_t page_size = 4096;

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
  auto note = text_at(txn, tables.texts, key);
  if (!note) return std::unexpected(note.error());
  return HistoryEntry{{event_id(key), record.happened, record.recorded, std::move(record.facts)},
                      std::move(record.source),
                      std::move(*note)};
}

}  // namespace

Result<policy::Contact> Store::contact(const policy::CanonicalAddress& address) const {
  auto hasher = KeyHasher::create(impl_->hash_key);
  if (!hasher) return std::unexpected(hasher.error());
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  const Table table = address.is_domain() ? impl_->tables.domains : impl_->tables.contacts;
  auto record = txn->get(table, (*hasher)(address.text));
  if (!record) return std::unexpected(record.error());
  policy::Contact contact;
  if (*record && !decode(**record, contact)) {
    return std::unexpected(impl_->env->damaged("the record of " + address.text));
  }
  return contact;
}

Result<std::vector<HistoryEntry>> Store::history(const policy::CanonicalAddress& address) const {
  auto hasher = KeyHasher::create(impl_->hash_key);
  if (!hasher) return std::unexpected(hasher.error());
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  auto cursor = Cursor::open(*txn, impl_->tables.by_contact);
  if (!cursor) return std::unexpected(cursor.error());
  std::vector<HistoryEntry> history;
  auto more = cursor->at((*hasher)(address.text));
  for (; more && *more; more = cursor->next_of_key()) {
    EventKey key{};
    OctetReader value(cursor->value());
    value.raw(key);
    if (!value.finished()) return std::unexpected(impl_->env->damaged("the list of events"));
    auto entry = entry_of(*txn, impl_->tables, key);
    if (!entry) return std::unexpected(entry.error());
    history.push_back(std::move(*entry));
  }
  if (!more) return std::unexpected(more.error());
  std::ranges::sort(history, std::ranges::greater{}, [](const HistoryEntry& entry) {
    return std::pair(entry.event.recorded, entry.event.id);
  });
  return history;
}

Result<HistoryEntry> Store::event(const policy::EventId& id) const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  return entry_of(*txn, impl_->tables, event_key(id));
}

// A page's last key is the table's letter and the contact's key: mailboxes first, then domains.
Result<Store::Page> Store::contacts(std::string_view after, std::size_t limit) const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  Page page;
  for (const auto& [letter, table] :
       {std::pair{'c', impl_->tables.contacts}, std::pair{'d', impl_->tables.domains}}) {
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

Result<Stats> Store::stats(Time now) const {
  Stats stats;
  {
    auto txn = impl_->read();
    if (!txn) return std::unexpected(txn.error());
    const Tables& tables = impl_->tables;
    for (const Table table :
         {tables.root, tables.meta, tables.contacts, tables.domains, tables.folded, tables.events,
          tables.by_contact, tables.texts, tables.addresses, tables.streams}) {
      auto size = txn->size(table);
      if (!size) return std::unexpected(size.error());
      stats.bytes_used += size->octets;
      if (table == tables.contacts) stats.contacts = size->entries;
      if (table == tables.domains) stats.domains = size->entries;
      if (table == tables.events) stats.events = size->entries;
    }
  }
  std::error_code error;
  stats.bytes_file = std::filesystem::file_size(data_file(impl_->env->directory()), error);
  if (error) return fail(Errc::io, error.message());

  std::string after;
  do {
    auto page = contacts(after, page_size);
    if (!page) return std::unexpected(page.error());
    for (const ContactRecord& record : page->records) {
      if (record.address.is_domain()) continue;
      const auto stands = [&](policy::HoldKind kind) -> std::uint64_t {
        return std::ranges::any_of(record.contact.holds, [&](const policy::Hold& hold) {
          return hold.kind == kind && !over(hold, now) && !lifted_whole(hold, record.contact);
        });
      };
      stats.unsubscribed += stands(policy::HoldKind::unsubscribed);
      stats.complained += stands(policy::HoldKind::complained);
      stats.bounced += stands(policy::HoldKind::bounced);
      stats.blocked += stands(policy::HoldKind::blocked);
      stats.consents += record.contact.consents.empty() ? 0 : 1;
    }
    after = std::move(page->last_key);
  } while (!after.empty());
  return stats;
}

}  // namespace postern::store
