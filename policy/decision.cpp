#include "policy/decision.h"

#include <algorithm>
#include <tuple>

namespace postern::policy {

namespace {

Reason reason_of(HoldKind kind) {
  switch (kind) {
    case HoldKind::unsubscribed:
      return Reason::unsubscribed;
    case HoldKind::complained:
      return Reason::complained;
    case HoldKind::bounced:
      return Reason::bounced;
    case HoldKind::blocked:
      break;
  }
  return Reason::blocked;
}

int rank(Reason reason) {
  switch (reason) {
    case Reason::blocked:
      return 0;
    case Reason::complained:
      return 1;
    case Reason::unsubscribed:
      return 2;
    case Reason::bounced:
      return 3;
    case Reason::no_consent:
      return 4;
    case Reason::none:
      break;
  }
  return 5;
}

// The event breaks ties, so that the verdict does not depend on the order in which the forms were
// found.
bool speaks_before(const Verdict& a, const Verdict& b) {
  return std::tuple(rank(a.reason), a.date, a.event) < std::tuple(rank(b.reason), b.date, b.event);
}

bool is_lifted(const Hold& hold, const Contact& contact, const Stream& stream,
               const Streams& streams) {
  auto lift = std::ranges::lower_bound(contact.lifts, hold.id, {}, &Lift::hold);
  for (; lift != contact.lifts.end() && lift->hold == hold.id; ++lift) {
    if (lift->scope == hold.scope || permission_covers(lift->scope, stream, streams)) return true;
  }
  return false;
}

bool names(const Contact& contact, const HoldId& id) {
  const auto lift = std::ranges::lower_bound(contact.lifts, id, {}, &Lift::hold);
  return lift != contact.lifts.end() && lift->hold == id;
}

bool consents(const Contact& contact, const Stream& stream, const Streams& streams) {
  return std::ranges::any_of(contact.consents, [&](const Consent& consent) {
    return permission_covers(consent.scope, stream, streams) && !withdrawn(consent, contact);
  });
}

}  // namespace

bool withdrawn(const Consent& consent, const Contact& contact) {
  return !contact.lifts.empty() && names(contact, hold_id(consent.event));
}

Findings::Found& Findings::add(Found::Form form, const ContactRef& ref) {
  if (size == entries.size()) entries.emplace_back();
  auto& found = entries[size++];
  found.form = form;
  found.ref = ref;
  found.contact.clear();
  return found;
}

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::none:
      return "none";
    case Reason::unsubscribed:
      return "unsubscribed";
    case Reason::complained:
      return "complained";
    case Reason::bounced:
      return "bounced";
    case Reason::blocked:
      return "blocked";
    case Reason::no_consent:
      return "no-consent";
  }
  return "unknown";
}

bool binds(const Hold& hold, const Contact& contact, const Stream& stream, const Streams& streams,
           Time now) {
  if (hold.until && *hold.until <= now) return false;
  return hold_covers(hold.scope, stream, streams) && !is_lifted(hold, contact, stream, streams);
}

Verdict decide(const Findings& findings, const Stream& stream, const Streams& streams, Time now) {
  Verdict verdict;
  bool consented = stream.consent == Stream::ConsentRule::opt_out;
  for (std::size_t i = 0; i < findings.size; ++i) {
    const auto& [form, ref, contact] = findings.entries[i];
    const bool domain_wide = form == Findings::Found::Form::domain;
    consented = consented || (!domain_wide && consents(contact, stream, streams));
    for (const auto& hold : contact.holds) {
      const Verdict candidate{.reason = reason_of(hold.kind),
                              .domain_wide = domain_wide,
                              .date = hold.date,
                              .event = hold.event};
      if (speaks_before(candidate, verdict) && binds(hold, contact, stream, streams, now)) {
        verdict = candidate;
      }
    }
  }
  if (verdict.allowed() && !consented) verdict.reason = Reason::no_consent;
  return verdict;
}

}  // namespace postern::policy
