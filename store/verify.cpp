// Every table against the events: what LMDB cannot know. Each contact and event is looked at in one
// snapshot, so that a store in use is verified too.
#include "base/text.h"
#include "store/contact_record.h"
#include "store/event_record.h"
#include "store/impl.h"
#include "store/kept_mail.h"
#include "store/side_record.h"
#include "store/walk.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace postern::store {
namespace {

class Verifier {
 public:
  Verifier(const Store::Impl& store, KeyHasher hasher,
           const std::function<void(std::string)>& wrong)
      : store_(store), tables_(store.tables), hasher_(hasher), wrong_(wrong) {}

  Result<VerifySummary> run() {
    for (const Table table : {tables_.contacts, tables_.domains, tables_.digests}) {
      if (auto done = contacts(table); !done) return std::unexpected(done.error());
    }
    if (auto done = events(); !done) return std::unexpected(done.error());
    if (auto done = by_contact(); !done) return std::unexpected(done.error());
    if (auto done = forms(); !done) return std::unexpected(done.error());
    if (auto done = sides(); !done) return std::unexpected(done.error());
    if (auto done = kept_mail(); !done) return std::unexpected(done.error());
    return summary_;
  }

 private:
  template <class... Arguments>
  void wrong(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    ++summary_.wrong;
    if (wrong_) wrong_(fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  static std::string name_of(Octets key) { return to_hex(key); }

  Result<void> contacts(Table table) {
    return walk(*store_.env, table, [&](const Txn& txn, Octets key, Octets value) -> Result<void> {
      ++summary_.contacts;
      policy::Contact stands;
      if (!decode(value, stands)) {
        wrong("contact {}: its record does not read", name_of(key));
        return {};
      }
      auto folded = fold(txn, key);
      if (!folded) return std::unexpected(folded.error());
      if (stands != *folded) wrong("contact {}: not what its events come to", name_of(key));
      return address(txn, table, key);
    });
  }

  Result<policy::Contact> fold(const Txn& txn, Octets key) {
    policy::Contact contact;
    auto cursor = Cursor::open(txn, tables_.by_contact);
    if (!cursor) return std::unexpected(cursor.error());
    auto more = cursor->at(key);
    for (; more && *more; more = cursor->next_of_key()) {
      EventKey id{};
      OctetReader(cursor->value()).raw(id);
      auto octets = txn.get(tables_.events, id);
      if (!octets) return std::unexpected(octets.error());
      EventRecord record;
      if (!*octets || !decode(**octets, record)) {
        wrong("contact {}: its event {} is missing or does not read", name_of(key), to_hex(id));
        continue;
      }
      if (!std::ranges::equal(record.contact, key)) {
        wrong("contact {}: its event {} is another's", name_of(key), to_hex(id));
        continue;
      }
      policy::apply(contact, {event_id(id), record.happened, record.recorded, record.facts});
    }
    if (!more) return std::unexpected(more.error());
    return contact;
  }

  // Where it was not erased: under its own hash, in the right table, found by its folded form.
  Result<void> address(const Txn& txn, Table table, Octets key) {
    auto octets = txn.get(tables_.addresses, key);
    if (!octets) return std::unexpected(octets.error());
    if (!*octets) return {};
    const policy::CanonicalAddress address{std::string(text_of(**octets))};
    if (!std::ranges::equal(hasher_(address.text), key) || tables_.of(address) != table) {
      wrong("contact {}: its address is another's", name_of(key));
      return {};
    }
    if (auto read = rules_.read(txn, tables_); !read) return read;
    const std::string form = policy::folded(address, rules_.providers());
    if (table != tables_.contacts || form.empty()) return {};
    auto found = has(txn, tables_.folded, hasher_(form), key);
    if (!found) return std::unexpected(found.error());
    if (!*found) wrong("contact {}: not found by its other spellings", name_of(key));
    return {};
  }

  Result<bool> has(const Txn& txn, Table table, Octets key, Octets value) {
    auto cursor = Cursor::open(txn, table);
    if (!cursor) return std::unexpected(cursor.error());
    auto more = cursor->at(key);
    for (; more && *more; more = cursor->next_of_key()) {
      if (std::ranges::equal(cursor->value(), value)) return true;
    }
    if (!more) return std::unexpected(more.error());
    return false;
  }

  Result<void> events() {
    return walk(*store_.env, tables_.events,
                [&](const Txn& txn, Octets key, Octets value) -> Result<void> {
                  ++summary_.events;
                  EventRecord record;
                  EventKey id{};
                  OctetReader(key).raw(id);
                  if (!decode(value, record)) {
                    wrong("event {}: its record does not read", to_hex(key));
                    return {};
                  }
                  auto listed = has(txn, tables_.by_contact, record.contact, key);
                  if (!listed) return std::unexpected(listed.error());
                  if (!*listed) wrong("event {}: its contact does not list it", to_hex(key));
                  auto ours = numbering(txn, tables_);
                  if (!ours) return std::unexpected(ours.error());
                  const policy::EventId event = event_id(id);
                  if (event.origin == ours->origin && event.sequence > ours->last) {
                    wrong("event {}: its number would be given again", to_hex(key));
                  }
                  return import(txn, record, key);
                });
  }

  Result<void> import(const Txn& txn, const EventRecord& record, Octets key) {
    if (record.import == 0 || record.import == last_import_) return {};
    auto found = get_import(txn, tables_, record.import);
    if (!found) return std::unexpected(found.error());
    if (*found) {
      last_import_ = record.import;
    } else {
      wrong("event {}: of an import that is not listed", to_hex(key));
    }
    return {};
  }

  Result<void> by_contact() {
    return walk(*store_.env, tables_.by_contact,
                [&](const Txn& txn, Octets key, Octets /*value*/) -> Result<void> {
                  auto known = is_contact(txn, key);
                  if (!known) return std::unexpected(known.error());
                  if (!*known) wrong("contact {}: has events and no record", name_of(key));
                  return {};
                });
  }

  // A folded form leads to a contact that is spelled so. That contact need not be there: its form
  // is written first, and an import may end in between (spellings.h); nor its address, once it was
  // forgotten.
  Result<void> forms() {
    return walk(*store_.env, tables_.folded,
                [&](const Txn& txn, Octets form, Octets contact) -> Result<void> {
                  if (contact.size() != sizeof(ContactKey)) {
                    wrong("folded form {}: leads to no key of a contact", to_hex(form));
                    return {};
                  }
                  auto text = txn.get(tables_.addresses, contact);
                  if (!text) return std::unexpected(text.error());
                  if (!*text) return {};
                  if (auto read = rules_.read(txn, tables_); !read) return read;
                  const policy::CanonicalAddress address{std::string(text_of(**text))};
                  const std::string folded = policy::folded(address, rules_.providers());
                  if (folded.empty() || !std::ranges::equal(hasher_(folded), form)) {
                    wrong("folded form {}: leads to contact {}, which is not spelled so",
                          to_hex(form), name_of(contact));
                  }
                  return {};
                });
  }

  // What lies beside contacts and events is of one that is there.
  Result<void> sides() {
    const auto of_contact = [&](std::string_view what, Table table, auto key_of) {
      return walk(*store_.env, table,
                  [&](const Txn& txn, Octets key, Octets value) -> Result<void> {
                    auto known = is_contact(txn, key_of(key, value));
                    if (!known) return std::unexpected(known.error());
                    if (!*known) wrong("{} {}: of no contact", what, to_hex(key));
                    return {};
                  });
    };
    if (auto done =
            of_contact("address", tables_.addresses, [](Octets key, Octets) { return key; });
        !done) {
      return done;
    }
    if (auto done =
            of_contact("repetition", tables_.repeated,
                       [](Octets key, Octets) {
                         return key.first(std::min<std::size_t>(key.size(), sizeof(ContactKey)));
                       });
        !done) {
      return done;
    }
    return walk(*store_.env, tables_.texts,
                [&](const Txn& txn, Octets key, Octets value) -> Result<void> {
                  auto event = txn.get(tables_.events, key);
                  if (!event) return std::unexpected(event.error());
                  if (!*event) wrong("text {}: of no event", to_hex(key));
                  SideRecord side;
                  if (!decode(value, side)) wrong("text {}: does not read", to_hex(key));
                  return {};
                });
  }

  Result<void> kept_mail() {
    if (!tables_.return_mail) return {};
    return walk(*store_.env, *tables_.return_mail,
                [&](const Txn& /*txn*/, Octets key, Octets value) -> Result<void> {
                  KeptMail mail;
                  if (!decode(key, value, mail, false)) {
                    wrong("return mail {}: does not read", to_hex(key));
                  }
                  return {};
                });
  }

  Result<bool> is_contact(const Txn& txn, Octets key) {
    for (const Table table : {tables_.contacts, tables_.domains, tables_.digests}) {
      auto found = txn.get(table, key);
      if (!found) return std::unexpected(found.error());
      if (*found) return true;
    }
    return false;
  }

  const Store::Impl& store_;
  const Tables& tables_;
  KeyHasher hasher_;
  Rules rules_;
  const std::function<void(std::string)>& wrong_;
  VerifySummary summary_;
  std::uint64_t last_import_ = 0;
};

}  // namespace

Result<VerifySummary> Store::verify(const std::function<void(std::string)>& wrong) const {
  const KeyHasher hasher(impl_->hash_key);
  return Verifier(*impl_, hasher, wrong).run();
}

}  // namespace postern::store
