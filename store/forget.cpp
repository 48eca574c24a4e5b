// Forgetting: every text about a contact goes, what stands goes on standing under its hash.
#include "store/batch.h"
#include "store/compaction.h"
#include "store/contact_record.h"
#include "store/cursor.h"
#include "store/digests.h"
#include "store/event_record.h"
#include "store/forgotten.h"
#include "store/impl.h"
#include "store/kept_mail.h"
#include "store/traffic.h"
#include "store/traffic_row.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>

namespace postern::store {
namespace {

constexpr auto every_day = std::numeric_limits<std::uint32_t>::max();

// The mailbox itself, its other spellings by the provider's rule, and its entries of hash lists.
Result<std::vector<ContactKey>> keys_of(const Store::Impl& store, const Txn& txn,
                                        const KeyHasher& hasher, const Rules& rules,
                                        const policy::CanonicalAddress& address) {
  std::vector<ContactKey> keys{hasher(address.text)};
  const std::string folded = policy::folded(address, rules.providers());
  if (!folded.empty()) {
    auto cursor = Cursor::open(txn, store.tables.folded);
    if (!cursor) return std::unexpected(cursor.error());
    auto more = cursor->at(hasher(folded));
    for (; more && *more; more = cursor->next_of_key()) {
      ContactKey key{};
      OctetReader(cursor->value()).raw(key);
      if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
    }
    if (!more) return std::unexpected(more.error());
  }
  for (const Digest kind : {Digest::md5, Digest::sha1, Digest::sha256}) {
    keys.push_back(hasher(hex_digest(kind, address.text)));
    if (!folded.empty() && folded != address.text) {
      keys.push_back(hasher(hex_digest(kind, folded)));
    }
  }
  return keys;
}

struct Erased {
  bool known = false;
  bool later = false;      // something was recorded since
  bool forgotten = false;  // an event says so
  std::uint64_t texts = 0;
};

// The texts of its events that were recorded until then; the address too, where there is no later
// one.
Result<Erased> erase_texts(Txn& txn, const Tables& tables, const ContactKey& key, Time until) {
  Erased erased;
  std::vector<EventKey> events;
  {
    auto cursor = Cursor::open(txn, tables.by_contact);
    if (!cursor) return std::unexpected(cursor.error());
    auto more = cursor->at(key);
    for (; more && *more; more = cursor->next_of_key()) {
      OctetReader(cursor->value()).raw(events.emplace_back());
    }
    if (!more) return std::unexpected(more.error());
  }
  erased.known = !events.empty();
  for (const EventKey& event : events) {
    auto octets = txn.get(tables.events, event);
    if (!octets) return std::unexpected(octets.error());
    EventRecord record;
    if (!*octets || !decode(**octets, record)) {
      return std::unexpected(txn.env().damaged("the record of an event"));
    }
    if (record.recorded > until) {
      erased.later = true;
      continue;
    }
    erased.forgotten = erased.forgotten || std::holds_alternative<policy::Forgotten>(record.facts);
    auto text = txn.get(tables.texts, event);
    if (!text) return std::unexpected(text.error());
    if (!*text) continue;
    ++erased.texts;
    if (auto gone = txn.remove(tables.texts, event); !gone) return std::unexpected(gone.error());
  }
  if (erased.known && !erased.later) {
    auto text = txn.get(tables.addresses, key);
    if (!text) return std::unexpected(text.error());
    if (*text) ++erased.texts;
    if (auto gone = txn.remove(tables.addresses, key); !gone) {
      return std::unexpected(gone.error());
    }
  }
  return erased;
}

Result<void> append_tombstone(Batch& batch, const ContactKey& key, Time time,
                              const Origin& origin) {
  auto target = batch.read(key);
  if (!target) return std::unexpected(target.error());
  auto done = batch.append(*target, policy::Forgotten{}, time, time, origin);
  if (done) done = batch.write(*target);
  return done;
}

}  // namespace

Result<ForgetSummary> Store::forget(const policy::CanonicalAddress& address,
                                    const std::filesystem::path& ledger, const Origin& origin,
                                    Time now) {
  const std::lock_guard lock(impl_->write_mutex);
  auto batch = Batch::begin(*impl_->env, impl_->tables, impl_->hasher, impl_->rules);
  if (!batch) return std::unexpected(batch.error());
  auto keys = keys_of(*impl_, batch->txn(), impl_->hasher, impl_->rules, address);
  if (!keys) return std::unexpected(keys.error());
  ForgetSummary summary;
  const bool whole = !address.is_domain() && !address.is_digest();
  auto mail = forget_mail(batch->txn(), impl_->tables, impl_->hasher, *keys,
                          whole ? std::string_view(address.text) : std::string_view(), Time::max());
  if (!mail) return std::unexpected(mail.error());
  summary.texts += *mail;
  std::vector<Forgotten> entries;
  if (*mail > 0) entries.push_back({now, keys->front()});
  for (const ContactKey& key : *keys) {
    auto rows = forget_traffic(batch->txn(), impl_->tables, key, every_day);
    if (!rows) return std::unexpected(rows.error());
    auto erased = erase_texts(batch->txn(), impl_->tables, key, Time::max());
    if (!erased) return std::unexpected(erased.error());
    summary.rows += *rows;
    const bool listed = !entries.empty() && entries.back().contact == key;
    if ((erased->known || *rows > 0) && !listed) entries.push_back({now, key});
    // Known by its mail alone, it gets a record that says so: its return mail is yet to come.
    const bool met = key == keys->front() && (*rows > 0 || *mail > 0);
    if (!erased->known && !met) continue;
    if (erased->known) ++summary.contacts;
    summary.texts += erased->texts;
    auto done = append_tombstone(*batch, key, now, origin);
    if (!done) return std::unexpected(done.error());
  }
  if (entries.empty()) return summary;
  batch->touch();
  if (auto owed = owe_compaction(batch->txn(), impl_->tables, now); !owed) {
    return std::unexpected(owed.error());
  }
  // Before the commit: a name too many in the file forgets nobody who is in the store, one too few
  // would let a backup remember.
  auto listed = append_forgotten(ledger, impl_->env->directory(), entries);
  if (!listed) return std::unexpected(listed.error());
  if (auto committed = batch->commit(); !committed) return std::unexpected(committed.error());
  return summary;
}

Result<std::uint64_t> Store::forget_again(const std::filesystem::path& ledger, Time now) {
  const auto entries = read_forgotten(ledger);
  if (!entries) return std::unexpected(entries.error());
  const Origin origin{.source = "forgotten", .note = {}, .by = "postern restore"};
  const std::lock_guard lock(impl_->write_mutex);
  auto batch = Batch::begin(*impl_->env, impl_->tables, impl_->hasher, impl_->rules);
  if (!batch) return std::unexpected(batch.error());
  std::uint64_t forgotten = 0;
  for (const Forgotten& entry : *entries) {
    auto erased = erase_texts(batch->txn(), impl_->tables, entry.contact, entry.time);
    if (!erased) return std::unexpected(erased.error());
    auto rows = forget_traffic(batch->txn(), impl_->tables, entry.contact, day_of(entry.time));
    if (!rows) return std::unexpected(rows.error());
    auto mail = forget_mail(batch->txn(), impl_->tables, impl_->hasher, {&entry.contact, 1}, "",
                            entry.time);
    if (!mail) return std::unexpected(mail.error());
    bool changed = erased->texts + *rows + *mail > 0;
    // The backup is older than the event that said so.
    if ((erased->known || changed) && !erased->later && !erased->forgotten) {
      auto done = append_tombstone(*batch, entry.contact, entry.time, origin);
      if (!done) return std::unexpected(done.error());
      changed = true;
    }
    if (changed) ++forgotten;
  }
  if (forgotten == 0) return 0;
  batch->touch();
  if (auto owed = owe_compaction(batch->txn(), impl_->tables, now); !owed) {
    return std::unexpected(owed.error());
  }
  if (auto committed = batch->commit(); !committed) return std::unexpected(committed.error());
  return forgotten;
}

}  // namespace postern::store
