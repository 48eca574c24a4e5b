// Return mail on its way from the listener that takes it to whoever understands it and remembers:
// what is behind this interface reads the mail and writes to the store, the listener knows nothing
// of that.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "policy/address.h"
#include "policy/return_token.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace postern::policy {

// What is read of a mail; the rest is passed on unread.
inline constexpr std::size_t max_return_mail_read = 1UL << 20U;

// Whom a forward-path at the return-path listener names.
struct ReturnRecipient {
  enum class Kind : std::uint8_t {
    bounce,       // the envelope sender of a mail of ours
    unsubscribe,  // the mailto: of List-Unsubscribe
    complaints,
    postmaster,
    mailbox,  // any address of a closed mailbox ([return_path] mailbox_evidence)
  };
  Kind kind = Kind::postmaster;
  ReturnToken token;  // authentic; of bounce and unsubscribe alone
  Mailbox path;       // as it was written
};

struct ReturnMail {
  std::string octets;  // its first max_return_mail_read, dot-stuffing undone
  std::uint64_t size = 0;
  Mailbox reverse_path;
  std::vector<ReturnRecipient> recipients;
  // Unsigned reports are believed: the operator says that nobody else writes to this listener.
  bool believed = false;
  Time arrived{};
};

// What is to become of a mail whose meaning is on record.
struct ReturnVerdict {
  std::vector<Mailbox> forward;  // whom it is passed on to, each once
  std::string said;              // what it says, for the log: "type=bounce class=hard ..."
};

// A recipient that the upstream refused in the session.
struct SessionRefusal {
  CanonicalAddress recipient;
  std::string stream;
  std::string sender;   // the client's reverse-path
  std::string reply;    // the upstream's, codes and all, lines joined by a blank
  bool at_rcpt = true;  // otherwise of the message, which had this recipient alone
  Time time{};
};

// From any thread.
class Returns {
 public:
  using Done = std::function<void(Result<ReturnVerdict>)>;

  virtual ~Returns() = default;

  // Reads the mail and puts on record what it says. Returns at once; `done` is called once, on any
  // thread, after the commit (fsync) or, within seconds, with the reason why there was none: then
  // nothing of it is on record, and the client is told to come again.
  virtual void take(ReturnMail mail, Done done) = 0;

  // Never waits; what does not fit is dropped and counted (DESIGN.md 9).
  virtual void refused(SessionRefusal refusal) = 0;
};

}  // namespace postern::policy
