// A recipient looked up and decided on: what every door of the gate asks the store in the same way,
// and counts and logs in the same words.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "policy/contacts.h"
#include "policy/decision.h"
#include "policy/stream.h"
#include "proxy/counts.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace postern::proxy {

// What is said where the store cannot answer, always with 4.3.0.
inline constexpr std::string_view lookup_failed =
    "the gate cannot look up recipients right now, try again later";

struct Judgement {
  policy::CanonicalAddress contact;
  policy::ContactRef ref;  // what the store knows it by
  policy::Verdict verdict;
  // Of a refusal, what policy::refusal() wants: the address as it was written, and the note where
  // it tells one.
  std::string written{};
  std::string note{};
};

// One for each session; the reader and the scratch belong to its thread.
class RecipientLookup {
 public:
  using Clock = Time (*)();
  // `session` is its id, for the log; `counts` may be null.
  RecipientLookup(std::string session, policy::ContactReader& reader, policy::Findings& findings,
                  std::shared_ptr<const policy::Streams> streams, Clock clock, const Counts* counts)
      : session_(std::move(session)),
        reader_(reader),
        findings_(findings),
        streams_(std::move(streams)),
        clock_(clock),
        counts_(counts) {}

  // `stream` is one of streams(). An error is the store's: never let through (DESIGN.md 9).
  [[nodiscard]] Result<Judgement> judge(const policy::Mailbox& recipient,
                                        const policy::Stream& stream);
  // What the store knows the recipient by.
  [[nodiscard]] Result<policy::ContactRef> ref(const policy::Mailbox& recipient,
                                               const policy::Stream& stream);

  [[nodiscard]] const policy::Streams& streams() const { return *streams_; }
  [[nodiscard]] Time now() const { return clock_(); }

 private:
  void tell(const policy::Stream& stream, const Judgement& judgement) const;
  [[nodiscard]] std::unexpected<Error> failed(const policy::Stream& stream, Error error) const;

  std::string session_;
  policy::ContactReader& reader_;
  policy::Findings& findings_;
  std::shared_ptr<const policy::Streams> streams_;
  Clock clock_;
  const Counts* counts_;
};

}  // namespace postern::proxy
