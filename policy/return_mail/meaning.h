// What a mail at the return-path listener comes to: for which contacts something is to be put on
// record, and who gets the mail. The token says whom it is about (DESIGN.md 8): where the report
// names somebody else, the token wins, and without one nothing is believed. Pure.
#pragma once

#include "base/time.h"
#include "policy/address.h"
#include "policy/bounce.h"
#include "policy/decision.h"
#include "policy/link.h"
#include "policy/return_mail/reading.h"
#include "policy/return_token.h"
#include "policy/returns.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::return_mail {

// What is to be put on record of one contact.
struct Note {
  policy::ContactRef contact{};
  // Of it, where the mail names it; otherwise the contact is known by its hash alone.
  policy::CanonicalAddress address{};
  std::optional<std::uint64_t> context{};  // of the return address
  std::string stream{}, campaign{};        // of a link; the campaign else of the returned headers
  Finding finding{};                       // its type is never unknown, but where `replied`
  bool replied = false;                    // a person answered
};

struct Meaning {
  policy::ReturnType type = policy::ReturnType::unknown;
  std::vector<Note> notes;
  // It is a report of somebody, but says nothing that proves of whom.
  bool unattributed = false;
  bool understood = true;  // otherwise it is kept for a look
  // The senders of these contexts get it, the postmaster, both or nobody.
  std::vector<std::uint64_t> senders;
  bool postmaster = false;
};

// What is known besides the mail itself.
struct Known {
  std::string_view domain;  // of return addresses
  std::string_view url;     // of the public pages; empty: there are no links
  const policy::ReturnTokens& tokens;
  const policy::LinkKeys& links;
  std::span<const std::string> campaign_header;
  std::chrono::milliseconds valid_for{};
  // What the store finds an address by; nothing where it is none, or the store cannot say.
  std::function<std::optional<policy::ContactRef>(const policy::CanonicalAddress&)> ref_of;
};

[[nodiscard]] Meaning meaning_of(const policy::ReturnMail& mail, const Reading& reading,
                                 const Known& known);

// Of what a sender's retry does not change: who reports, when, and what. Trace fields are left out.
[[nodiscard]] std::array<std::uint8_t, 16> report_digest(std::string_view message,
                                                         const Note& note);

}  // namespace postern::return_mail
