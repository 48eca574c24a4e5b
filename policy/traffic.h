// What became of recipients at the gate, told by the proxy and kept by the store as rows (DESIGN.md
// 2): no events, so that one looping client does not grow history without bound.
#pragma once

#include "base/time.h"
#include "policy/decision.h"

#include <cstddef>
#include <string>
#include <vector>

namespace postern::policy {

inline constexpr std::size_t max_campaign = 200;  // octets that are kept of a campaign's name

// One transaction, told when it ends.
struct Passages {
  struct Passage {
    ContactRef recipient{};        // as the store knew it that the recipient was looked up in
    Reason reason = Reason::none;  // none: let through, and the upstream took the message
  };
  std::string stream;
  std::string
      campaign;  // X-Campaign-ID, else Feedback-ID; empty where DATA did not follow, or had neither
  std::string sender;  // the reverse-path; empty for <>
  Time time{};
  std::vector<Passage> recipients;
};

class TrafficLog {
 public:
  virtual ~TrafficLog() = default;
  // From any thread; never waits for the store. What does not fit is dropped and counted
  // (DESIGN.md 9).
  virtual void record(Passages passages) = 0;
};

}  // namespace postern::policy
