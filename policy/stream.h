// Streams: what kind of mail an envelope belongs to, and which streams a scope covers.
// INTERFACE.md, "[[stream]]".
#pragma once

#include "base/config.h"
#include "policy/address.h"
#include "policy/contact.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::policy {

using Stream = StreamConfig;

// The configured streams in their order. `default` is always there: the last resort, marketing
// unless configured.
class Streams {
 public:
  Streams() : Streams(std::vector<Stream>{}) {}
  explicit Streams(std::vector<Stream> streams);

  // By its sender, the name of the listener that it came in by and who authenticated (empty:
  // nobody): the first stream of which every one that it has matches; a stream with none of them is
  // found by its List-Id alone. The null reverse-path (the empty mailbox) is always transactional:
  // see null_sender().
  [[nodiscard]] const Stream& of_envelope(const Mailbox& reverse_path, std::string_view listener,
                                          std::string_view login = {}) const;
  // By the identifier of a message's List-Id, lower case; nullptr where no stream has it. Mail from
  // <> is not asked about.
  [[nodiscard]] const Stream* of_list_id(std::string_view list_id) const;
  // Whether any stream has one: else nobody need read a header section for it.
  [[nodiscard]] bool has_list_ids() const { return has_list_ids_; }
  // By its name or a former one; nullptr where no stream has it.
  [[nodiscard]] const Stream* find(std::string_view name) const;
  [[nodiscard]] const std::vector<Stream>& all() const { return streams_; }
  [[nodiscard]] const Stream& fallback() const;
  // The stream of mail from `<>`: named "default", transactional, asks for no consent.
  [[nodiscard]] const Stream& null_sender() const { return null_sender_; }

 private:
  std::vector<Stream> streams_;
  // Each stream's sender patterns, as canonical addresses are spelled.
  std::vector<std::vector<std::string>> patterns_;
  std::size_t fallback_ = 0;
  bool has_list_ids_ = false;
  Stream null_sender_;
};

// A pattern as canonical addresses are spelled: local part folded, labels of the domain that are
// not ASCII as A-labels. What cannot be brought there stays as it is, and matches nothing.
[[nodiscard]] std::string canonical_pattern(std::string_view pattern);
// ASCII case-insensitive; `*` stands for any run of characters. of_envelope() asks it with
// canonical spellings on both sides, so that a pattern may be written with U-labels or A-labels.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view sender);
[[nodiscard]] bool matches_any(std::span<const std::string> patterns, std::string_view text);

// Whether a hold of `scope` is about `stream`: its own name or a former one, all, every marketing
// stream; and a name that is in no configuration counts for every marketing stream (the restriction
// wins). `stream` is one of `streams` itself: its null_sender() is known by identity, and left
// alone by holds of a stream.
[[nodiscard]] bool hold_covers(const Scope& scope, const Stream& stream, const Streams& streams);
// Whether a lift or consent of `scope` is about `stream`: its own name or a former one, all, every
// marketing stream; here an unknown name covers nothing. Mail from <> is in no stream by name here
// either: `stream` is one of `streams` itself, as above.
[[nodiscard]] bool permission_covers(const Scope& scope, const Stream& stream,
                                     const Streams& streams);

}  // namespace postern::policy
