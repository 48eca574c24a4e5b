// What is known of a contact: holds, lifts and consents, folded from the set of its events
// (DESIGN.md 2). The fold is commutative, associative and idempotent: the same events in any order,
// however often, give the same state.
#pragma once

#include "base/time.h"
#include "policy/evidence.h"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postern::policy {

// (origin: a gate in one of its epochs, drawn at random; its sequence number). Octets big-endian in
// the store.
struct EventId {
  std::uint64_t origin = 0;
  std::uint64_t sequence = 0;
  friend auto operator<=>(const EventId&, const EventId&) = default;
};

enum class HoldKind : std::uint8_t { unsubscribed = 1, complained = 2, bounced = 3, blocked = 4 };
[[nodiscard]] std::string_view to_string(HoldKind kind);  // "unsubscribed", ...
[[nodiscard]] std::optional<HoldKind> parse_hold_kind(std::string_view text);

// What a hold, lift or consent is about. `all`: every stream. `marketing`: every marketing stream.
struct Scope {
  enum class Kind : std::uint8_t { all = 0, marketing = 1, stream = 2 };
  Kind kind = Kind::all;
  std::string stream;  // the name, for Kind::stream; at most 64 octets
  friend auto operator<=>(const Scope&, const Scope&) = default;
};
inline constexpr std::size_t max_stream_name = 64;

// What a hold is known by. An ordinary one by its event; an imported one by a hash of kind, scope,
// source and date of the opt-out, so that next month's export of the same row is the same hold.
struct HoldId {
  std::array<std::uint8_t, 16> octets{};
  friend auto operator<=>(const HoldId&, const HoldId&) = default;
};
[[nodiscard]] HoldId hold_id(const EventId& event);
// What an imported hold is known by when it comes again after its import was undone `times` times:
// an undone import is a mistake of the operator's, not the contact's return.
[[nodiscard]] HoldId again(const HoldId& id, std::uint32_t times);
[[nodiscard]] HoldId imported_hold_id(HoldKind kind, const Scope& scope, std::string_view source,
                                      std::optional<Time> date);

struct Hold {
  HoldId id;
  HoldKind kind = HoldKind::unsubscribed;
  Scope scope;
  Time date{};  // of the opt-out; for an imported one without a date, the day first recorded
  std::optional<Time> until;  // an operator's block may end
  EventId event;              // its side record holds reason, diagnostic, note
  friend bool operator==(const Hold&, const Hold&) = default;
};

// `hold` does not bind the streams that `scope` covers. May arrive before the hold it names. A
// consent is withdrawn by a lift that names the hold_id() of its event.
struct Lift {
  HoldId hold;
  Scope scope;
  bool undo = false;  // its import was undone; otherwise the contact, or the operator, lifted it
  friend auto operator<=>(const Lift&, const Lift&) = default;
};

struct Consent {
  Scope scope;
  Time date{};
  EventId event;
  friend auto operator<=>(const Consent&, const Consent&) = default;
};

// Each vector sorted and without repetition, so that equal states compare equal.
struct Contact {
  std::vector<Hold> holds;  // by id
  std::vector<Lift> lifts;
  std::vector<Consent> consents;
  [[nodiscard]] bool empty() const { return holds.empty() && lifts.empty() && consents.empty(); }
  void clear() { holds.clear(), lifts.clear(), consents.clear(); }
  friend bool operator==(const Contact&, const Contact&) = default;
};

// The facts of an event, without personal text.
struct HoldPlaced {
  HoldKind kind = HoldKind::unsubscribed;
  Scope scope;
  std::optional<Time> until;
  std::optional<HoldId> imported;            // its identity, where it came by import
  std::optional<ReturnEvidence> evidence{};  // of return mail, where that placed it
};
struct HoldsLifted {
  std::vector<HoldId>
      holds;  // those that the lifting side had seen; a hold not named here survives
  Scope scope;
  bool undo = false;
  bool reactivation = false;  // the operator lifted a bounce: it is counted, and never both
};
struct ConsentGiven {
  Scope scope;
};
// Every personal text was erased. Changes nothing of what stands.
struct Forgotten {};
// Return mail, or a refusal, that places no hold. Changes nothing of what stands.
struct Reported {
  enum class Weight : std::uint8_t {
    none = 0,
    soft_bounce = 1,   // counts for the rule of soft_bounces.h
    sign_of_life = 2,  // voids those before it: mail arrived, or a person answered
  };
  ReturnEvidence evidence;
  Weight weight = Weight::none;
};
using Facts = std::variant<HoldPlaced, HoldsLifted, ConsentGiven, Forgotten, Reported>;

struct Event {
  EventId id;
  Time happened{};  // when the contact asked, the mail bounced, ...
  Time recorded{};  // when this gate (or the one it came from) wrote it down
  Facts facts;
};

// The one fold. Where two events disagree, the restriction wins: of two events of one imported
// hold, the earlier date and the later (or no) `until` stand, under the smaller event id.
void apply(Contact& contact, const Event& event);

}  // namespace postern::policy
