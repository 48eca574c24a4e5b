// What may be asked of a store, as values, and what came of it.
#pragma once

#include "base/time.h"
#include "policy/address.h"
#include "policy/contact.h"
#include "policy/decision.h"
#include "policy/soft_bounces.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace postern::store {

// Who made a change and what they said of it: the personal side of an event, erasable apart from
// it.
struct Origin {
  std::string source;  // "cli", "mailchimp", ...: of the event, kept
  std::string note;    // reason, diagnostic, consent text: personal; at most 1,000 octets are kept
  std::string by;      // the operator and the command: "root, postern block"
  // Of the mail that somebody left after, for the report; empty where it is not known.
  std::string campaign{};
};

// What return mail says besides, personal too: beside the note, erased with it.
struct MailDetails {
  std::string campaign;  // of the mail that came back
  std::string remote_mta;
  std::string reporting_mta;
  std::string message_id;
  [[nodiscard]] bool empty() const {
    return campaign.empty() && remote_mta.empty() && reporting_mta.empty() && message_id.empty();
  }
  friend bool operator==(const MailDetails&, const MailDetails&) = default;
};

struct PlaceHold {
  policy::CanonicalAddress address;
  policy::HoldKind kind = policy::HoldKind::unsubscribed;
  policy::Scope scope;
  std::optional<Time> date;  // when the contact said so; `now` where unknown
  std::optional<Time> until;
  // What an imported hold is known by: first its own identity, then those that it had under former
  // names of its stream. Empty: it is known by its event.
  std::vector<policy::HoldId> known_as;
  std::vector<policy::Scope> except;  // lifted for these from the start, where the hold is new
  Origin origin;
  std::optional<policy::ReturnEvidence> evidence{};  // of an imported row that carries it
  MailDetails mail{};                                // the same
};
// Lifts every hold of `kinds` that stands now and that `scope` could cover; with `consent`, records
// that too.
struct LiftHolds {
  policy::CanonicalAddress address;
  std::vector<policy::HoldKind> kinds;
  policy::Scope scope;
  bool consent = false;
  Origin origin;
  std::vector<policy::HoldId> only{};  // where it is not empty: of those holds, these
  // By a person who can ask any number of times: a consent that stands is not given again, and a
  // contact with so many entries already gets no more (Errc::invalid). Restrictions always find
  // room.
  std::optional<std::size_t> most_entries{};
};
struct GiveConsent {  // an imported row "subscribed": lifts nothing
  policy::CanonicalAddress address;
  policy::Scope scope;
  std::optional<Time> date;
  Origin origin;
};
// Return mail about a contact, or the upstream's refusal of it in the session: what it comes to is
// store/return_notes.h. It was believed before it came here: a token, or a trusted peer.
struct NoteReturn {
  policy::ContactRef ref{};          // there need be no record of it
  policy::CanonicalAddress address;  // empty where only the token's hash is known; believed where
                                     // its hash is `ref`
  policy::ReturnEvidence evidence;
  policy::BounceClass bounce_class = policy::BounceClass::soft;
  // Of the type `delivered`: not relayed or expanded, which says nothing of the mailbox.
  bool delivered_to_mailbox = false;
  bool replied = false;  // of the type `unknown`: a person answered, a sign of life
  // A refusal for good (5xx) in the session: one note a contact, reason and day, no digest.
  bool in_session = false;
  // By an upstream without authority: noted in the history of whoever has a record, and no more.
  bool history_only = false;
  std::string stream;  // of the mail that came back; empty where it is not known
  std::string campaign;
  std::string diagnostic;  // personal, like what follows; each is cut to its limit
  std::string remote_mta;
  std::string reporting_mta;
  std::string message_id;
  std::array<std::uint8_t, 16> digest{};  // of the report: the same again is no second event
  std::optional<Time> date;               // when it was made, where it says so and that can be
  policy::SoftRule soft_rule;
  Origin origin;  // its note and campaign are not used
};
using Change = std::variant<PlaceHold, LiftHolds, GiveConsent, NoteReturn>;

struct Outcome {
  enum class Kind : std::uint8_t {
    changed,
    // The same hold stands already, or nothing was there to lift. NoteReturn: it made no event (it
    // was there before, or says nothing of the mailbox).
    unchanged,
    returned,  // an imported hold that was lifted since: stays lifted
    kept,      // a consent for a contact that is held: recorded, but the hold stays
  };
  Kind kind = Kind::changed;
  std::vector<policy::Hold> lifted;     // LiftHolds: which
  std::optional<policy::Hold> held_by;  // kept: the hold that stands
  // PlaceHold, changed: what the hold is known by. NoteReturn: the hold that it made, if it did.
  std::optional<policy::HoldId> placed{};
};

}  // namespace postern::store
