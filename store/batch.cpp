#include "store/batch.h"

#include "base/text.h"
#include "store/contact_record.h"
#include "store/digests.h"
#include "store/event_record.h"
#include "store/return_notes.h"
#include "store/rows/encoding.h"
#include "store/side_record.h"
#include "store/standing.h"
#include "store/traffic.h"
#include "store/utf8.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace postern::store {
namespace {

using policy::Scope;

// A canonical address, its quotes and escapes included.
constexpr std::size_t max_address = 2 * policy::max_local_part + 3 + policy::max_domain;
// Entries of one record. A contact that comes and goes daily needs a lifetime for that.
constexpr std::size_t max_entries = 65'536;

Result<void> check(const Scope& scope) {
  const bool named = scope.kind == Scope::Kind::stream;
  if (named == scope.stream.empty())
    return fail(Errc::invalid, "a scope without its stream's name");
  if (scope.stream.size() > policy::max_stream_name) {
    return fail(Errc::invalid,
                fmt::format("the stream's name is longer than {} octets", policy::max_stream_name));
  }
  if (scope.stream.contains('\0') || !rows::is_utf8(scope.stream)) {
    return fail(Errc::invalid, "the stream's name is not UTF-8");
  }
  return {};
}

Result<void> check(const policy::CanonicalAddress& address) {
  const bool good = address.text.contains('@') || is_digest(address.text);
  if (!good || address.text.size() > max_address) {
    return fail(Errc::invalid, fmt::format("not an address: {}", printable(address.text, 100)));
  }
  return {};
}

// A restriction finds room where nothing else does any more.
std::size_t most_entries(const PlaceHold& /*change*/) { return 2 * max_entries; }
std::size_t most_entries(const LiftHolds& change) {
  return change.most_entries.value_or(max_entries);
}
std::size_t most_entries(const GiveConsent& /*change*/) { return max_entries; }

Result<void> check(const policy::Contact& contact, std::size_t most) {
  if (contact.holds.size() + contact.lifts.size() + contact.consents.size() < most) return {};
  return fail(Errc::invalid,
              fmt::format("the contact has {} holds, lifts and consents already, and "
                          "no more are kept",
                          most));
}

bool consents(const policy::Contact& contact, const Scope& scope) {
  return std::ranges::any_of(contact.consents, [&](const policy::Consent& given) {
    return given.scope == scope && !policy::withdrawn(given, contact);
  });
}

const Scope* scope_of(const policy::Facts& facts) {
  if (const auto* placed = std::get_if<policy::HoldPlaced>(&facts)) return &placed->scope;
  if (const auto* lifted = std::get_if<policy::HoldsLifted>(&facts)) return &lifted->scope;
  if (const auto* given = std::get_if<policy::ConsentGiven>(&facts)) return &given->scope;
  return nullptr;
}

// A row that names a hold, and was made stricter since.
bool says_more(const PlaceHold& change, const policy::Hold& known) {
  const auto width = [](const Scope& scope) {
    return scope.kind == Scope::Kind::all ? 2 : scope.kind == Scope::Kind::marketing ? 1 : 0;
  };
  return change.kind != known.kind || width(change.scope) > width(known.scope);
}

bool ends_later(std::optional<Time> a, std::optional<Time> b) { return b && (!a || *a > *b); }

}  // namespace

Result<Batch> Batch::begin(const Env& env, const Tables& tables, const KeyHasher& hasher,
                           Rules& rules) {
  auto txn = Txn::write(env);
  if (!txn) return std::unexpected(txn.error());
  auto ours = store::numbering(*txn, tables);
  if (!ours) return std::unexpected(ours.error());
  if (auto read = rules.read(*txn, tables); !read) return std::unexpected(read.error());
  return Batch(std::move(*txn), tables, hasher, rules, *ours);
}

Result<Outcome> Batch::apply(const Change& change, Time now) { return apply(change, nullptr, now); }

Result<Outcome> Batch::apply(const Change& change, const ContactKey& key, Time now) {
  return apply(change, &key, now);
}

Result<Outcome> Batch::apply(const Change& change, const ContactKey* key, Time now) {
  if (const auto* note = std::get_if<NoteReturn>(&change)) return note_return(*this, *note, now);
  if (const auto* hold = std::get_if<PlaceHold>(&change)) return apply_to_address(*hold, key, now);
  if (const auto* lift = std::get_if<LiftHolds>(&change)) return apply_to_address(*lift, key, now);
  return apply_to_address(std::get<GiveConsent>(change), key, now);
}

Result<Outcome> Batch::apply_to_address(const auto& change, const ContactKey* key, Time now) {
  if (auto good = check(change.address); !good) return std::unexpected(good.error());
  if (auto good = check(change.scope); !good) return std::unexpected(good.error());
  auto target = key != nullptr ? read(change.address, *key) : read(change.address);
  if (!target) return std::unexpected(target.error());
  if (auto room = check(target->contact, most_entries(change)); !room) {
    return std::unexpected(room.error());
  }
  return apply(change, *target, now);
}

Result<Outcome> Batch::apply(const PlaceHold& change, Target& target, Time now) {
  policy::HoldPlaced placed{change.kind, change.scope, change.until, std::nullopt, change.evidence};
  std::vector<Scope> except;
  if (change.known_as.empty()) {
    for (const policy::Hold& hold : target.contact.holds) {
      if (repeats(change, hold, target.contact)) return Outcome{Outcome::Kind::unchanged, {}, {}};
    }
  } else {
    Known known = find_known(target.contact, change.known_as);
    if (known.hold != nullptr && says_more(change, *known.hold)) {
      // Another hold beside it: what the row was exported as stays known.
      const auto name =
          policy::imported_hold_id(change.kind, change.scope, change.origin.source, change.date);
      known = find_known(target.contact, {&name, 1});
    }
    placed.imported = known.id;
    if (known.hold != nullptr) {
      // Under a former name of its stream, it may be.
      placed.scope = known.hold->scope;
      auto met = meet_known(change, *known.hold, target);
      if (!met) return std::unexpected(met.error());
      if (*met) return **std::move(met);
    } else {
      except = change.except;
      add_own_words(change, target.contact, except);
    }
  }
  for (const Scope& scope : except) {
    if (auto good = check(scope); !good) return std::unexpected(good.error());
  }
  const Time happened = change.date.value_or(now);
  const std::optional<policy::HoldId> id = placed.imported;
  auto done = append(target, std::move(placed), happened, now, change.origin, change.mail);
  for (const Scope& scope : except) {
    if (!done) break;
    done = append(target, policy::HoldsLifted{.holds = {*id}, .scope = scope}, happened, now,
                  change.origin);
  }
  if (done) done = write(target);
  if (!done) return std::unexpected(done.error());
  Outcome outcome;
  outcome.placed = id ? *id : policy::hold_id({numbering_.origin, numbering_.last});
  return outcome;
}

// What the contact itself lifted of a hold whose import was undone: it binds the hold that comes in
// its place.
void Batch::add_own_words(const PlaceHold& change, const policy::Contact& contact,
                          std::vector<Scope>& except) {
  for (const policy::HoldId& name : change.known_as) {
    for (std::uint32_t times = 0;; ++times) {
      const policy::HoldId id = policy::again(name, times);
      if (std::ranges::find(contact.holds, id, &policy::Hold::id) == contact.holds.end()) break;
      for (const policy::Lift& lift : contact.lifts) {
        if (lift.hold != id || lift.undo) continue;
        if (std::ranges::find(except, lift.scope) == except.end()) except.push_back(lift.scope);
      }
    }
  }
}

// The outcome, or nothing where the change says more than what is known.
Result<std::optional<Outcome>> Batch::meet_known(const PlaceHold& change, const policy::Hold& known,
                                                 Target& target) {
  if (lifted_whole(known, target.contact)) return Outcome{Outcome::Kind::returned, {}, {}};
  if (ends_later(change.until, known.until)) return std::nullopt;
  if (auto done = repeat(target, known.id); !done) return std::unexpected(done.error());
  return Outcome{Outcome::Kind::unchanged, {}, {}};
}

Result<Outcome> Batch::apply(const LiftHolds& change, Target& target, Time now) {
  Outcome outcome;
  // Lifted by the undoing of their imports alone: whoever comes back meanwhile has come back,
  // though the same file is imported again.
  std::vector<policy::HoldId> mistaken;
  for (const policy::Hold& hold : target.contact.holds) {
    if (std::ranges::find(change.kinds, hold.kind) == change.kinds.end()) continue;
    if (!change.only.empty() && std::ranges::find(change.only, hold.id) == change.only.end()) {
      continue;
    }
    if (over(hold, now) || !intersect(hold.scope, change.scope)) continue;
    if (change.consent && undone(hold, target.contact)) mistaken.push_back(hold.id);
    if (!lifted_for(hold, target.contact, change.scope)) outcome.lifted.push_back(hold);
  }
  const bool again =
      change.most_entries && mistaken.empty() && consents(target.contact, change.scope);
  if (outcome.lifted.empty() && (!change.consent || again)) {
    outcome.kind = Outcome::Kind::unchanged;
    return outcome;
  }
  if (!outcome.lifted.empty() || !mistaken.empty()) {
    policy::HoldsLifted lifted{.holds = std::move(mistaken), .scope = change.scope};
    for (const policy::Hold& hold : outcome.lifted) lifted.holds.push_back(hold.id);
    if (auto done = append(target, std::move(lifted), now, now, change.origin); !done) {
      return std::unexpected(done.error());
    }
  }
  if (change.consent) {
    if (auto done = append(target, policy::ConsentGiven{change.scope}, now, now, change.origin);
        !done) {
      return std::unexpected(done.error());
    }
  }
  if (auto done = write(target); !done) return std::unexpected(done.error());
  return outcome;
}

Result<Outcome> Batch::apply(const GiveConsent& change, Target& target, Time now) {
  auto held_by = what_holds(change, now);
  if (!held_by) return std::unexpected(held_by.error());
  Outcome outcome{.kind = Outcome::Kind::changed, .lifted = {}, .held_by = *std::move(held_by)};
  const auto known =
      std::ranges::find_if(target.contact.consents, [&](const policy::Consent& given) {
        return given.scope == change.scope && (!change.date || given.date == *change.date) &&
               !policy::withdrawn(given, target.contact);
      });
  const bool is_known = known != target.contact.consents.end();
  Result<void> done;
  if (is_known) {
    done = repeat(target, policy::hold_id(known->event));
  } else {
    done = append(target, policy::ConsentGiven{change.scope}, change.date.value_or(now), now,
                  change.origin);
    if (done) done = write(target);
  }
  if (!done) return std::unexpected(done.error());
  if (outcome.held_by) {
    outcome.kind = Outcome::Kind::kept;
  } else if (is_known) {
    outcome.kind = Outcome::Kind::unchanged;
  }
  return outcome;
}

// Under whatever form the gate would find it.
Result<std::optional<policy::Hold>> Batch::what_holds(const GiveConsent& change, Time now) {
  if (!lookup_) {
    auto opened = Lookup::open(txn_, tables_, *hasher_, Lookup::Of::write_transaction);
    if (!opened) return std::unexpected(opened.error());
    lookup_ = std::move(*opened);
  }
  policy::Findings findings;
  if (auto found = lookup_->find(txn_, change.address, (*hasher_)(change.address.text), findings);
      !found) {
    return std::unexpected(found.error());
  }
  std::optional<policy::Hold> gravest;
  const auto note = [&](const policy::Hold& hold) {
    if (!gravest || graver(hold, *gravest)) gravest = hold;
  };
  for (std::size_t i = 0; i < findings.size; ++i) {
    const policy::Contact& contact = findings.entries[i].contact;
    if (const auto hold = foremost(contact, change.scope, now)) note(*hold);
    if (streams_ == nullptr) continue;
    // A stream's former name, and a name that is in no configuration, bind too.
    for (const policy::Stream& stream : streams_->all()) {
      if (!policy::permission_covers(change.scope, stream, *streams_)) continue;
      for (const policy::Hold& hold : contact.holds) {
        if (policy::binds(hold, contact, stream, *streams_, now)) note(hold);
      }
    }
  }
  return gravest;
}

Result<void> Batch::repeat(const Target& target, const policy::HoldId& hold) {
  if (import_ == nullptr) return {};
  std::array<std::uint8_t, 32> key{};
  std::ranges::copy(target.key, key.begin());
  std::ranges::copy(hold.octets, key.begin() + 16);
  auto octets = txn_.get(tables_.repeated, key);
  if (!octets) return std::unexpected(octets.error());
  Repeats repeats;
  if (*octets && !decode(**octets, repeats)) {
    return std::unexpected(txn_.env().damaged("a list of imports"));
  }
  if (!repeats.add(import_->number)) return {};
  changed_ = true;
  out_.clear();
  encode(repeats, out_);
  return txn_.put(tables_.repeated, key, out_.octets());
}

Result<Batch::Target> Batch::read(const policy::CanonicalAddress& address) {
  return read(address, (*hasher_)(address.text));
}

Result<Batch::Target> Batch::read(const policy::CanonicalAddress& address, const ContactKey& key) {
  const Table table = tables_.of(address);
  Target target{.table = table, .key = key, .address = address, .contact = {}};
  if (table == tables_.contacts && last_contact_ && target.key > *last_contact_) return target;
  auto record = txn_.get(table, target.key);
  if (!record) return std::unexpected(record.error());
  target.known = record->has_value();
  if (target.known && !decode(**record, target.contact)) {
    return std::unexpected(txn_.env().damaged("the record of a contact"));
  }
  return target;
}

Result<Batch::Target> Batch::read(const ContactKey& key) {
  Target target{.table = tables_.contacts, .key = key, .address = {}, .contact = {}};
  for (const Table table : {tables_.contacts, tables_.digests, tables_.domains}) {
    auto record = txn_.get(table, key);
    if (!record) return std::unexpected(record.error());
    if (!*record) continue;
    target.table = table;
    target.known = true;
    if (!decode(**record, target.contact)) {
      return std::unexpected(txn_.env().damaged("the record of a contact"));
    }
    break;
  }
  return target;
}

Result<void> Batch::append(Target& target, policy::Facts facts, Time happened, Time now,
                           const Origin& origin, const MailDetails& mail) {
  changed_ = numbered_ = true;
  ++numbering_.last;
  policy::Event event{{numbering_.origin, numbering_.last}, happened, now, std::move(facts)};
  const EventKey id = event_key(event.id);
  policy::apply(target.contact, event);
  if (const Scope* scope = scope_of(event.facts)) {
    if (auto done = remember_stream(*scope); !done) return done;
  }

  EventRecord record{.contact = target.key,
                     .happened = event.happened,
                     .recorded = event.recorded,
                     .source = {},
                     .by = kept_text(origin.by, max_by),
                     .import = import_ == nullptr ? 0 : import_->number,
                     .facts = std::move(event.facts)};
  if (import_ == nullptr || origin.source != import_->source) {
    record.source = kept_text(origin.source, max_source);
  }
  out_.clear();
  encode(record, out_);
  if (auto done = put(tables_.events, id, out_.octets(), events_); !done) return done;
  if (auto done = put(tables_.by_contact, target.key, id, by_contact_); !done) return done;
  if (auto counted = count_departure(target, record, origin.campaign, now); !counted)
    return counted;
  if (origin.note.empty() && mail.empty()) return {};
  const SideRecord side = kept(origin.note, mail);
  if (side.empty()) return {};
  out_.clear();
  encode(side, out_);
  return put(tables_.texts, id, out_.octets(), texts_);
}

// Who leaves, complains or bounces after our mail is a row of the report; what an import knew is
// not. Return mail counts its own (return_notes.h).
Result<void> Batch::count_departure(const Target& target, const EventRecord& record,
                                    std::string_view campaign, Time now) {
  const auto* placed = std::get_if<policy::HoldPlaced>(&record.facts);
  if (placed == nullptr || placed->imported || placed->evidence) return {};
  const auto add = [&](TrafficResult result) {
    return count(txn_, tables_, target.key, placed->scope.stream, campaign, result, "", now);
  };
  switch (placed->kind) {
    case policy::HoldKind::unsubscribed:
      return add(TrafficResult::unsubscribed);
    case policy::HoldKind::complained:
      return add(TrafficResult::complained);
    case policy::HoldKind::bounced:
      return add(TrafficResult::bounced);
    case policy::HoldKind::blocked:
      break;
  }
  return {};
}

Result<void> Batch::put(Table table, Octets key, Octets value, Order& order) {
  constexpr unsigned most_misses = 8;
  order.appended = false;
  if (!order.expected) return txn_.put(table, key, value);
  if (!order.cursor) {
    auto opened = Cursor::open(txn_, table);
    if (!opened) return std::unexpected(opened.error());
    order.cursor = *std::move(opened);
  }
  auto appended = order.cursor->append(key, value);
  if (!appended) return std::unexpected(appended.error());
  order.appended = *appended;
  if (*appended) {
    order.misses = 0;
    return {};
  }
  order.expected = ++order.misses < most_misses;
  // The cursor takes its page for the last one, which a put elsewhere may split.
  order.cursor.reset();
  return txn_.put(table, key, value);
}

Result<void> Batch::write(const Target& target) {
  out_.clear();
  encode(target.contact, out_);
  if (target.table != tables_.contacts) {
    if (auto done = txn_.put(target.table, target.key, out_.octets()); !done) return done;
  } else {
    if (auto done = put(target.table, target.key, out_.octets(), contacts_); !done) return done;
    last_contact_ = contacts_.appended ? std::optional(target.key) : std::nullopt;
  }
  if (target.address.text.empty()) return {};
  const Octets text = octets_of(target.address.text);
  if (!target.known) {
    if (auto done = put(tables_.addresses, target.key, text, addresses_); !done) return done;
  } else {
    addresses_.cursor.reset();  // as in put()
    auto named = txn_.add(tables_.addresses, target.key, text);
    if (!named) return std::unexpected(named.error());
    if (!*named) return {};
  }
  if (target.table == tables_.digests) return note_digest(txn_, tables_, target.address.text);
  if (target.table == tables_.domains) return {};
  if (spelled_ && !target.known) return {};
  return add_folded(txn_, tables_, *hasher_, rules_->providers(), target.address, target.key);
}

Result<void> Batch::remember_stream(const Scope& scope) {
  if (scope.kind != Scope::Kind::stream || scope.stream == last_stream_) return {};
  auto added = txn_.add(tables_.streams, octets_of(scope.stream), {});
  if (!added) return std::unexpected(added.error());
  last_stream_ = scope.stream;
  return {};
}

Result<void> Batch::commit() {
  if (!changed_) return {};
  if (numbered_) {
    if (auto done = put_numbering(txn_, tables_, numbering_); !done) return done;
  }
  lookup_.reset();
  for (Order* order : {&events_, &texts_, &contacts_, &addresses_, &by_contact_}) {
    order->cursor.reset();
  }
  return txn_.commit();
}

}  // namespace postern::store
