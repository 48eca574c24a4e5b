#include "store/batch.h"

#include "base/text.h"
#include "store/contact_record.h"
#include "store/event_record.h"
#include "store/standing.h"
#include "store/utf8.h"

#include <algorithm>
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
  if (scope.stream.contains('\0') || !is_utf8(scope.stream)) {
    return fail(Errc::invalid, "the stream's name is not UTF-8");
  }
  return {};
}

Result<void> check(const policy::CanonicalAddress& address) {
  if (address.text.find('@') == std::string::npos || address.text.size() > max_address) {
    return fail(Errc::invalid, fmt::format("not an address: {}", printable(address.text, 100)));
  }
  return {};
}

Result<void> check(const policy::Contact& contact) {
  if (contact.holds.size() + contact.lifts.size() + contact.consents.size() < max_entries)
    return {};
  return fail(Errc::invalid,
              fmt::format("the contact has {} holds, lifts and consents already, and "
                          "no more are kept",
                          max_entries));
}

const Scope& scope_of(const policy::Facts& facts) {
  return std::visit([](const auto& fact) -> const Scope& { return fact.scope; }, facts);
}

std::string kept_source(const Origin& origin) { return kept_text(origin.source, max_source); }

bool ends_later(std::optional<Time> a, std::optional<Time> b) { return b && (!a || *a > *b); }

}  // namespace

Result<Batch> Batch::begin(const Env& env, const Tables& tables, KeyHasher& hasher, Rules& rules) {
  auto txn = Txn::write(env);
  if (!txn) return std::unexpected(txn.error());
  auto ours = numbering(*txn, tables);
  if (!ours) return std::unexpected(ours.error());
  if (auto read = rules.read(*txn, tables); !read) return std::unexpected(read.error());
  return Batch(std::move(*txn), tables, hasher, rules, *ours);
}

Result<Outcome> Batch::apply(const Change& change, Time now) {
  return std::visit(
      [&](const auto& which) -> Result<Outcome> {
        if (auto good = check(which.address); !good) return std::unexpected(good.error());
        if (auto good = check(which.scope); !good) return std::unexpected(good.error());
        auto target = read(which.address);
        if (!target) return std::unexpected(target.error());
        if (auto room = check(target->contact); !room) return std::unexpected(room.error());
        return apply(which, *target, now);
      },
      change);
}

Result<Outcome> Batch::apply(const PlaceHold& change, Target& target, Time now) {
  policy::HoldPlaced placed{change.kind, change.scope, change.until, std::nullopt};
  for (const policy::Hold& hold : target.contact.holds) {
    if (!change.imported && repeats(change, hold, target.contact)) {
      return Outcome{Outcome::Kind::unchanged, {}, {}};
    }
  }
  if (change.imported) {
    placed.imported = policy::imported_hold_id(change.kind, change.scope,
                                               kept_source(change.origin), change.date);
    const auto known = std::ranges::find(target.contact.holds, *placed.imported, &policy::Hold::id);
    if (known != target.contact.holds.end()) {
      if (lifted_whole(*known, target.contact)) return Outcome{Outcome::Kind::returned, {}, {}};
      if (!ends_later(change.until, known->until)) return Outcome{Outcome::Kind::unchanged, {}, {}};
    }
  }
  if (auto done = append(target, std::move(placed), change.date.value_or(now), now, change.origin);
      !done) {
    return std::unexpected(done.error());
  }
  if (auto done = write(target); !done) return std::unexpected(done.error());
  return Outcome{};
}

Result<Outcome> Batch::apply(const LiftHolds& change, Target& target, Time now) {
  Outcome outcome;
  for (const policy::Hold& hold : target.contact.holds) {
    if (std::ranges::find(change.kinds, hold.kind) == change.kinds.end()) continue;
    if (over(hold, now) || !intersect(hold.scope, change.scope)) continue;
    if (!lifted_for(hold, target.contact, change.scope)) outcome.lifted.push_back(hold);
  }
  if (outcome.lifted.empty() && !change.consent) {
    outcome.kind = Outcome::Kind::unchanged;
    return outcome;
  }
  if (!outcome.lifted.empty()) {
    policy::HoldsLifted lifted{{}, change.scope};
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
  Outcome outcome;
  outcome.held_by = foremost(target.contact, change.scope, now);
  const bool known =
      std::ranges::any_of(target.contact.consents, [&](const policy::Consent& given) {
        return given.scope == change.scope && (!change.date || given.date == *change.date);
      });
  if (!known) {
    auto done = append(target, policy::ConsentGiven{change.scope}, change.date.value_or(now), now,
                       change.origin);
    if (done) done = write(target);
    if (!done) return std::unexpected(done.error());
  }
  if (outcome.held_by) {
    outcome.kind = Outcome::Kind::kept;
  } else if (known) {
    outcome.kind = Outcome::Kind::unchanged;
  }
  return outcome;
}

Result<Batch::Target> Batch::read(const policy::CanonicalAddress& address) {
  Target target{address, (*hasher_)(address.text)};
  auto record = txn_.get(address.is_domain() ? tables_.domains : tables_.contacts, target.key);
  if (!record) return std::unexpected(record.error());
  if (*record && !decode(**record, target.contact)) {
    return std::unexpected(txn_.env().damaged("the record of " + address.text));
  }
  return target;
}

Result<void> Batch::append(Target& target, policy::Facts facts, Time happened, Time now,
                           const Origin& origin) {
  changed_ = true;
  ++numbering_.last;
  policy::Event event{{numbering_.origin, numbering_.last}, happened, now, std::move(facts)};
  const EventKey id = event_key(event.id);
  policy::apply(target.contact, event);
  if (auto done = remember_stream(scope_of(event.facts)); !done) return done;

  const EventRecord record{target.key, event.happened, event.recorded, kept_source(origin),
                           std::move(event.facts)};
  out_.clear();
  encode(record, out_);
  if (auto done = txn_.put(tables_.events, id, out_.octets()); !done) return done;
  if (auto done = txn_.put(tables_.by_contact, target.key, id); !done) return done;
  if (origin.note.empty()) return {};
  return txn_.put(tables_.texts, id, octets_of(kept_text(origin.note, max_note)));
}

Result<void> Batch::write(const Target& target) {
  const bool domain = target.address.is_domain();
  out_.clear();
  encode(target.contact, out_);
  if (auto done = txn_.put(domain ? tables_.domains : tables_.contacts, target.key, out_.octets());
      !done) {
    return done;
  }
  auto named = txn_.add(tables_.addresses, target.key, octets_of(target.address.text));
  if (!named) return std::unexpected(named.error());
  if (!*named || domain) return {};
  return add_folded(txn_, tables_, *hasher_, rules_->providers(), target.address, target.key);
}

Result<void> Batch::remember_stream(const Scope& scope) {
  if (scope.kind != Scope::Kind::stream) return {};
  auto added = txn_.add(tables_.streams, octets_of(scope.stream), {});
  if (!added) return std::unexpected(added.error());
  return {};
}

Result<void> Batch::commit() {
  if (!changed_) return {};
  if (auto done = put_numbering(txn_, tables_, numbering_); !done) return done;
  return txn_.commit();
}

}  // namespace postern::store
