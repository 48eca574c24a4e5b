// What is to become of a message's header section: List-Unsubscribe, List-Unsubscribe-Post, List-Id
// and Feedback-ID (RFC 2369, 8058, 2919). Octets and wishes in, a plan out; the one who sends the
// message carries it out. Nothing that a DKIM signature made before us forbids is ever planned, and
// no other octet changes. The section is as it came over the wire: dot-stuffed, perhaps malformed,
// without a limit of its own; all here is linear in it.
#pragma once

#include "proxy/wire/fields.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::proxy {

// What the stream and the configuration want of a message's header section.
struct HeaderWishes {
  // add: one that is there stays, and nothing of ours goes beside it. replace: it goes, ours comes.
  enum class ListUnsubscribe : std::uint8_t { off, add, replace };
  ListUnsubscribe list_unsubscribe = ListUnsubscribe::off;
  // "news.example.com"; empty: none. At most 255 octets of printable ASCII without blanks and angle
  // brackets, as a list-id has (RFC 2919 section 2); what is none is not added.
  std::string list_id{};
  std::string list_title{};   // the phrase in front of it, UTF-8; empty: none
  std::string feedback_id{};  // the field's body; empty: none. What is not printable becomes "_"
};

// How the DKIM signatures that the message came with stand to its List-Unsubscribe. A receiver
// offers its button where both fields are in the h= of one valid signature (RFC 8058 section 4),
// and a signature made before us cannot name what we add. ARC-Message-Signatures forbid as DKIM's
// do, but cover nothing for this count. Without a wish for List-Unsubscribe always `unsigned_`.
enum class DkimCase : std::uint8_t {
  unsigned_,  // no signature: a signer behind us may cover whatever goes out
  covered,    // the message's own pair stays, and one signature names both
  uncovered,  // signed, but the List-Unsubscribe that goes out is in no signature, or without -Post
  oversigned,  // a signature kept ours out: it names a field that we would have to add or remove
};

struct HeaderPlan {
  std::vector<wire::Range> removed;   // octets of the section that go, in order: whole lines
  std::vector<std::string> replaced;  // bodies of the first few List-Unsubscribe that go: on one
                                      // line, printable, cut
  // The fields of unsubscribe_fields() go in front, each recipient's copy with its own.
  bool add_list_unsubscribe = false;
  std::string added;  // fields that go in front and are alike for every recipient, with CRLFs
  DkimCase dkim = DkimCase::unsigned_;
  bool kept = false;  // a List-Unsubscribe of the sender's stays
};

// What is added goes in front of the section. A section whose first line continues nothing
// (wire::begins_folded) is body in the message that goes out: an empty line comes in front of it,
// and the plan takes the message for one without header fields, as it does an empty section. A
// signature that does not parse (RFC 6376 section 3.2) forbids nothing; more than 100 signatures,
// or one of more than 100 tags, forbid everything.
[[nodiscard]] HeaderPlan plan_header_edit(std::string_view section, const HeaderWishes& wishes);

// The section as planned. `in_front`: whole fields that come before what the plan adds, such as our
// trace line and the copy's own unsubscribe_fields().
[[nodiscard]] std::string edited_section(std::string_view section, const HeaderPlan& plan,
                                         std::string_view in_front);

// List-Unsubscribe: <mailto:...>, <https:...> and List-Unsubscribe-Post, with their CRLFs. Both are
// URIs; `mailto` may be empty. Folded between them where they do not fit 78 octets, and inside one
// only where it does not fit the 998 of a line (RFC 2369 section 2: blanks in it are ignored).
// Octets that no URI has are percent-encoded.
[[nodiscard]] std::string unsubscribe_fields(std::string_view link, std::string_view mailto);

// The identifier of the first List-Id: what stands in angle brackets outside of comments and quoted
// strings (RFC 2919 section 3); from sloppy mail, what stands in the last brackets anywhere, or an
// identifier alone without any. Lower-case, without blanks, cut to 255 octets; empty where none.
[[nodiscard]] std::string list_id_of(std::string_view section);

}  // namespace postern::proxy
