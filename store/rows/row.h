// A row of somebody else's file, understood: whom it is about and what it says of them. Values
// only; what becomes of them is the importer's.
#pragma once

#include "base/time.h"
#include "policy/address.h"
#include "policy/contact.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::rows {

// INTERFACE.md, `import --status`; from the least restrictive.
enum class Status : std::uint8_t { subscribed, unsubscribed, bounced, complained, blocked };
[[nodiscard]] std::string_view to_string(Status status);
// Those names, and what other tools call them: "bounce", "hard_bounce", "spam", "cleaned",
// "opted-out", ... (case, accents, blanks, "-" and "_" do not matter). nullopt: not known.
[[nodiscard]] std::optional<Status> parse_status(std::string_view text);

// The word among the streams of `except` that is no stream's name: every marketing stream.
inline constexpr std::string_view every_marketing = "@marketing";

// One thing that a row says. A row of HubSpot says several; one of SendGrid's blocks says nothing.
struct Statement {
  std::optional<Status> status;  // nullopt: the row does not say; the caller's choice
  std::string stream;            // "" where the row has none; "all"; a stream's name
  std::optional<Time> date;      // of the opt-out, bounce or consent; never today's
  std::optional<Time> until;     // when it ends
  std::string source;            // of our own exports only: the event's source
  std::string note;              // reason, diagnostic, comment
  // Of our own exports: what the hold is known by, and the streams that it was lifted for.
  std::optional<policy::HoldId> hold;
  std::vector<std::string> except;
  // The same, of return mail that placed the hold; the note is its diagnostic.
  std::optional<policy::ReturnEvidence> evidence;
  std::string campaign;
  std::string remote_mta;
  std::string reporting_mta;
  std::string message_id;
};

struct Row {
  policy::CanonicalAddress address;   // a mailbox, "@domain", "@.domain", or a digest in hex
  std::vector<Statement> statements;  // none: the row suppresses nobody
  // Without statements: the file lists the contact as one that is written to there ("active", "Is
  // Unsubscribed" 0). That is no consent and no opt-out; only a status that the caller gives the
  // whole file makes something of it.
  bool active = false;
};

}  // namespace postern::rows
