// The undoing of an import: it is marked as undone, then what it alone put there is lifted. Broken
// off, the next call lifts the rest. A lift of this kind is marked too, so that the same file,
// imported again, places its holds anew.
#include "store/batch.h"
#include "store/event_record.h"
#include "store/impl.h"
#include "store/standing.h"
#include "store/walk.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace postern::store {
namespace {

constexpr std::size_t chunk = 5000;  // events of a commit

// A hold or consent that may have to go.
struct Item {
  ContactKey contact{};
  policy::HoldId hold;    // what a lift of it names
  bool repeated = false;  // the import said what stood already
};

// Who else said it.
struct Said {
  bool by_itself = false;  // by an event of the import that is undone
  bool elsewhere = false;  // another import, which can be undone too
  bool own = false;        // the contact or the operator
};

class Undo {
 public:
  Undo(Store::Impl& store, ImportRecord import, bool preview, Origin origin, Time now)
      : store_(store),
        import_(std::move(import)),
        preview_(preview),
        origin_(std::move(origin)),
        now_(now) {}

  Result<UndoSummary> run() {
    summary_.was_undone = import_.undone.has_value();
    auto done = find_undone();
    // Before anything is lifted: an import that is still under way writes no more of its rows.
    if (done && !preview_ && !import_.undone) done = mark();
    if (done) done = own_events();
    if (done) done = repeated();
    if (done) done = flush();
    if (!done) return std::unexpected(done.error());
    summary_.import = import_;
    return summary_;
  }

 private:
  Result<void> find_undone() {
    auto txn = Txn::read(*store_.env);
    if (!txn) return std::unexpected(txn.error());
    auto imports = all_imports(*txn, store_.tables);
    if (!imports) return std::unexpected(imports.error());
    for (const ImportRecord& one : *imports) {
      if (one.undone || one.number == import_.number) undone_.push_back(one.number);
      names_.emplace(one.number, one.name);
    }
    return {};
  }

  [[nodiscard]] bool is_undone(std::uint64_t number) const {
    return std::ranges::find(undone_, number) != undone_.end();
  }

  Result<void> own_events() {
    for (std::uint64_t from = import_.first; from != 0 && from <= import_.last; from += chunk) {
      const std::uint64_t to = std::min(import_.last, from + chunk - 1);
      if (auto taken = take_events(from, to); !taken) return taken;
      if (auto done = flush(); !done) return done;
    }
    return {};
  }

  Result<void> take_events(std::uint64_t from, std::uint64_t to) {
    auto txn = Txn::read(*store_.env);
    if (!txn) return std::unexpected(txn.error());
    auto cursor = Cursor::open(*txn, store_.tables.events);
    if (!cursor) return std::unexpected(cursor.error());
    const EventKey end = event_key({import_.origin, to});
    auto more = cursor->at_or_after(event_key({import_.origin, from}));
    for (; more && *more; more = cursor->next()) {
      if (std::ranges::lexicographical_compare(end, cursor->key())) break;
      EventKey key{};
      OctetReader(cursor->key()).raw(key);
      EventRecord record;
      if (!decode(cursor->value(), record)) {
        return std::unexpected(store_.env->damaged("the record of an event"));
      }
      if (record.import != import_.number) continue;
      if (const auto id = identity(record.facts, event_id(key))) {
        items_.push_back({record.contact, *id});
      }
    }
    if (!more) return std::unexpected(more.error());
    return {};
  }

  // Holds of imports that are undone already, which stayed because this one said the same.
  Result<void> repeated() {
    return walk(*store_.env, store_.tables.repeated,
                [&](const Txn& /*txn*/, Octets key, Octets value) -> Result<void> {
                  Repeats repeats;
                  Item item;
                  item.repeated = true;
                  OctetReader in(key);
                  in.raw(item.contact);
                  in.raw(item.hold.octets);
                  if (!in.finished() || !decode(value, repeats)) {
                    return std::unexpected(store_.env->damaged("a list of imports"));
                  }
                  if (std::ranges::find(repeats.imports, import_.number) != repeats.imports.end()) {
                    items_.push_back(item);
                  }
                  return items_.size() < chunk ? Result<void>{} : flush();
                });
  }

  Result<void> flush() {
    if (items_.empty()) return {};
    const std::lock_guard lock(store_.write_mutex);
    auto batch = Batch::begin(*store_.env, store_.tables, store_.hasher, store_.rules);
    if (!batch) return std::unexpected(batch.error());
    const UndoSummary before = summary_;
    for (const Item& item : items_) {
      if (auto done = undo(*batch, item); !done) return done;
    }
    items_.clear();
    if (preview_) return {};
    auto committed = batch->commit();
    if (!committed) summary_ = before;
    return committed;
  }

  Result<void> undo(Batch& batch, const Item& item) {
    auto target = batch.read(item.contact);
    if (!target) return std::unexpected(target.error());
    policy::Contact& contact = target->contact;
    for (const policy::Consent& consent : contact.consents) {
      if (policy::hold_id(consent.event) != item.hold) continue;
      return lift_unless(policy::withdrawn(consent, contact), batch, *target, item, consent.scope,
                         summary_.withdrawn);
    }
    const auto hold = std::ranges::find(contact.holds, item.hold, &policy::Hold::id);
    if (hold == contact.holds.end()) return {};
    return lift_unless(lifted_whole(*hold, contact), batch, *target, item, hold->scope,
                       summary_.lifted);
  }

  // Not where it is gone already, or another import said the same. The scope is a copy: the contact
  // changes under it.
  Result<void> lift_unless(bool gone, Batch& batch, Batch::Target& target, const Item& item,
                           policy::Scope scope, std::uint64_t& count) {
    if (gone) {
      if (!item.repeated) ++summary_.gone;
      return {};
    }
    auto said = who_said(batch, item);
    if (!said) return std::unexpected(said.error());
    // Twice in one file: it was looked at with the event.
    if (item.repeated && said->by_itself) return {};
    ++(said->own ? summary_.own : said->elsewhere ? summary_.shared : count);
    if (said->own || said->elsewhere) return {};
    return lift(batch, target, item.hold, scope);
  }

  Result<void> lift(Batch& batch, Batch::Target& target, const policy::HoldId& id,
                    const policy::Scope& scope) {
    auto done =
        batch.append(target, policy::HoldsLifted{.holds = {id}, .scope = scope, .undo = true}, now_,
                     now_, origin_);
    if (done) done = batch.write(target);
    return done;
  }

  // By an import that is not undone, or by no import at all: in an event of its own, or as one of
  // those that said what stood already.
  Result<Said> who_said(Batch& batch, const Item& item) {
    auto said = said_in_events(batch.txn(), item);
    if (!said) return said;
    std::array<std::uint8_t, 32> key{};
    std::ranges::copy(item.contact, key.begin());
    std::ranges::copy(item.hold.octets, key.begin() + 16);
    auto octets = batch.txn().get(store_.tables.repeated, key);
    if (!octets) return std::unexpected(octets.error());
    if (!*octets) return said;
    Repeats repeats;
    if (!decode(**octets, repeats)) {
      return std::unexpected(store_.env->damaged("a list of imports"));
    }
    said->elsewhere = said->elsewhere || repeats.more;
    for (const std::uint64_t number : repeats.imports) {
      if (is_undone(number)) continue;
      said->elsewhere = true;
      share_with(number);
    }
    return said;
  }

  Result<Said> said_in_events(const Txn& txn, const Item& item) {
    auto cursor = Cursor::open(txn, store_.tables.by_contact);
    if (!cursor) return std::unexpected(cursor.error());
    Said said;
    auto more = cursor->at(item.contact);
    for (; more && *more; more = cursor->next_of_key()) {
      EventKey key{};
      OctetReader(cursor->value()).raw(key);
      auto octets = txn.get(store_.tables.events, key);
      if (!octets) return std::unexpected(octets.error());
      EventRecord record;
      if (!*octets || !decode(**octets, record)) {
        return std::unexpected(store_.env->damaged("the record of an event"));
      }
      if (identity(record.facts, event_id(key)) != item.hold) continue;
      if (record.import == import_.number) said.by_itself = true;
      if (is_undone(record.import)) continue;
      (record.import == 0 ? said.own : said.elsewhere) = true;
      share_with(record.import);
    }
    if (!more) return std::unexpected(more.error());
    return said;
  }

  // What a lift of it names.
  static std::optional<policy::HoldId> identity(const policy::Facts& facts,
                                                const policy::EventId& event) {
    if (const auto* placed = std::get_if<policy::HoldPlaced>(&facts)) {
      return placed->imported.value_or(policy::hold_id(event));
    }
    if (std::holds_alternative<policy::ConsentGiven>(facts)) return policy::hold_id(event);
    return std::nullopt;
  }

  void share_with(std::uint64_t number) {
    const auto name = names_.find(number);
    if (name == names_.end()) return;
    auto& names = summary_.shared_with;
    if (std::ranges::find(names, name->second) == names.end()) names.push_back(name->second);
  }

  Result<void> mark() {
    const std::lock_guard lock(store_.write_mutex);
    auto batch = Batch::begin(*store_.env, store_.tables, store_.hasher, store_.rules);
    if (!batch) return std::unexpected(batch.error());
    auto fresh = get_import(batch->txn(), store_.tables, import_.number);
    if (!fresh) return std::unexpected(fresh.error());
    if (*fresh) import_ = **std::move(fresh);
    import_.undone = now_;
    if (auto put = put_import(batch->txn(), store_.tables, import_); !put) return put;
    batch->touch();
    return batch->commit();
  }

  Store::Impl& store_;
  ImportRecord import_;
  bool preview_;
  Origin origin_;
  Time now_;
  std::vector<std::uint64_t> undone_;  // this one too
  std::map<std::uint64_t, std::string> names_;
  std::vector<Item> items_;
  UndoSummary summary_;
};

}  // namespace

Result<UndoSummary> Store::undo_import(std::string_view name, bool preview, const Origin& origin,
                                       Time now) {
  auto known = imports();
  if (!known) return std::unexpected(known.error());
  std::uint64_t number = 0;
  const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool numbered = read.ec == std::errc{} && read.ptr == name.data() + name.size();
  const auto found = std::ranges::find_if(*known, [&](const ImportRecord& import) {
    return import.name == name || (numbered && import.number == number);
  });
  if (found == known->end()) {
    return fail(Errc::not_found, fmt::format("no import is named {}: postern import --list shows "
                                             "them",
                                             name));
  }
  return Undo(*impl_, *found, preview, origin, now).run();
}

}  // namespace postern::store
