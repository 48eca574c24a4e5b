// Which copies of a message the upstream took already, so that the sender's retry after a 451 sends
// only what is missing (DESIGN.md 6). The store keeps it; the proxy asks and tells.
#pragma once

#include "base/result.h"
#include "base/time.h"

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace postern::policy {

// For as long as a sender may try again (RFC 5321 section 4.5.4.1: at least 4-5 days).
inline constexpr std::chrono::days longest_on_record{7};

// One copy of a message to one recipient: a digest, from which nobody reads either.
struct CopyKey {
  std::array<std::uint8_t, 16> octets{};
  friend auto operator<=>(const CopyKey&, const CopyKey&) = default;
};

// Of the reverse-path, of a digest of the message as the client sent it, and of the recipient's
// canonical text. The same in every process: the store hashes it again with its own key.
[[nodiscard]] CopyKey copy_key(std::string_view reverse_path, std::span<const std::uint8_t> content,
                               std::string_view recipient);

// From any thread.
class Ledger {
 public:
  virtual ~Ledger() = default;

  // Nobody else of this process sends them until end(): false, and nothing is begun, where somebody
  // does. A client that gave up on its answer, and sends the message again, must not double it.
  [[nodiscard]] virtual bool begin(std::span<const CopyKey> copies) = 0;
  virtual void end(std::span<const CopyKey> copies) = 0;

  // Which of them the upstream took, and the record of it has not expired. Never waits for a
  // writer. An error means "cannot say".
  [[nodiscard]] virtual Result<std::vector<bool>> taken(std::span<const CopyKey> copies,
                                                        Time now) = 0;

  // The upstream took these, or their refusal was reported: on record until `until`. `done` is
  // called once, on another thread, after the commit (fsync) or its failure, which may be as late
  // as a compaction of the store takes. Errc::full, and `done` is not called, where too much waits.
  [[nodiscard]] virtual Result<void> note(std::vector<CopyKey> copies, Time until,
                                          std::function<void(Result<void>)> done) = 0;

  // The client read our answer, or is gone: what is on record of these copies stays until `until`
  // at the latest; in the past: goes. taken() knows at once. Nobody waits for it; lost in a crash,
  // they stay as they were noted.
  virtual void keep_until(std::vector<CopyKey> copies, Time until) = 0;

  // Until when any copy at all is on record, or may be; not after `now`: none is. Reads all of it.
  [[nodiscard]] virtual Time last_until(Time now) = 0;
};

}  // namespace postern::policy
