// The decision on a recipient: a function of what is known of it, the stream and the time. No
// store, socket or clock.
#pragma once

#include "policy/address.h"
#include "policy/contact.h"
#include "policy/stream.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::policy {

using ContactRef = std::array<std::uint8_t, 16>;

// What the store found under the forms of LookupForms; filled anew for each recipient, its vectors
// keep their capacity.
struct Findings {
  struct Found {
    enum class Form : std::uint8_t { mailbox, domain, digest };
    Form form = Form::mailbox;
    // What the store knows the contact by: says nothing of the address, and is there when that was
    // erased.
    ContactRef ref{};
    Contact contact;
  };
  // The first `size` are in use: the rest keep their memory for the next recipient.
  std::vector<Found> entries;
  std::size_t size = 0;
  ContactRef asked{};               // what the address would be found by, whether or not it was
  std::chrono::nanoseconds took{};  // by the store, where it had to be read

  void clear() {
    size = 0;
    took = {};
  }
  Found& add(Found::Form form, const ContactRef& ref = {});
};

enum class Reason : std::uint8_t { none, unsubscribed, complained, bounced, blocked, no_consent };
[[nodiscard]] std::string_view to_string(
    Reason reason);  // "unsubscribed", ..., "no-consent"; closed set for labels

struct Verdict {
  Reason reason = Reason::none;
  bool domain_wide = false;  // the hold stands on the domain, not on the mailbox
  Time date{};               // of the hold, for those that have one
  EventId event;             // whose side record says more
  [[nodiscard]] bool allowed() const { return reason == Reason::none; }
};

// `stream` is one of `streams` itself (see hold_covers). Blocks stand above every other state; then
// complaints, unsubscriptions, bounces; of several the earliest date speaks. Consent counts from
// the mailbox's own forms only.
[[nodiscard]] Verdict decide(const Findings& findings, const Stream& stream, const Streams& streams,
                             Time now);

// A hold that binds `stream` at `now`: covered, not over (at `until` it is), not lifted for it. A
// lift of the hold's own scope lifts it wholly: a stream that is dropped from the configuration
// does not revive it.
[[nodiscard]] bool binds(const Hold& hold, const Contact& contact, const Stream& stream,
                         const Streams& streams, Time now);

// The import that brought it was undone.
[[nodiscard]] bool withdrawn(const Consent& consent, const Contact& contact);

struct Refusal {
  int code = 0;                           // 550
  std::string_view enhanced_status_code;  // "5.7.1" (RFC 3463)
  std::string text;                       // without the codes; one line, at most 200 octets
};

// A refusal for it says what stands in the note of the event.
[[nodiscard]] bool tells_note(Reason reason);

// INTERFACE.md, "What a sender sees". `note`: the reason or diagnostic of the side record, may be
// empty; `address`: as the client knows it, left out when empty (the policy listener's answers).
// Cut to fit, the date never; a long address is shortened in its middle. ASCII unless `utf8`. An
// allowed verdict has no refusal: code 0, no text.
[[nodiscard]] Refusal refusal(const Verdict& verdict, std::string_view address,
                              std::string_view note, bool utf8);

}  // namespace postern::policy
