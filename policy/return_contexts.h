// The contexts of return addresses (return_token.h): on record before a token of theirs leaves, for
// it says no more than their hash; until the last one has expired. The store keeps them; the proxy
// asks and tells.
#pragma once

#include "base/result.h"
#include "policy/return_token.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace postern::policy {

class ReturnContexts {
 public:
  struct Entry {
    std::uint64_t hash = 0;
    ReturnContext context;
    // The last day on which anybody asks for it, since 1970 UTC; for_ever.
    std::uint32_t until = 0;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  static constexpr std::uint32_t for_ever = UINT32_MAX;

  virtual ~ReturnContexts() = default;

  // As the store's keys are now; from any thread. Null for as long as they are not known.
  [[nodiscard]] virtual std::shared_ptr<const ReturnTokens> tokens() = 0;

  // Known to be on record until that day at least: from memory, at once. From any thread. False: it
  // may be, and keep() makes sure.
  [[nodiscard]] virtual bool on_record(const Entry& entry) = 0;

  // Keeps them all, in one commit with others that wait. `done` is called once on any thread, maybe
  // before this returns: success is on the disk. An error means that none of their tokens may
  // leave; it comes within seconds.
  virtual void keep(std::vector<Entry> entries, std::function<void(Result<void>)> done) = 0;
};

}  // namespace postern::policy
