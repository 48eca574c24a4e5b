// What the gate counts of the mail that passes it, for /metrics: one object for each configuration,
// its counters found once, so that counting is an addition.
#pragma once

#include "base/metrics.h"
#include "policy/decision.h"
#include "policy/stream.h"
#include "proxy/header_edit.h"
#include "proxy/wire/reply.h"

#include <array>
#include <cstdint>
#include <vector>

namespace postern::proxy {

class Counts {
 public:
  // Both outlive it; `streams` is the configuration's own.
  Counts(metrics::Registry& registry, const policy::Streams& streams);

  // The gate's answer to a recipient; `stream` is one of the streams that it was made with.
  void recipient(const policy::Stream& stream, policy::Reason reason) const;
  void recipient_deferred(const policy::Stream& stream) const;
  // The reply to a message's end.
  void message(const policy::Stream& stream, const wire::Reply& reply) const;
  // The upstream's to a message, or to a copy of one.
  void upstream_reply(const wire::Reply& reply) const;
  // A message of a stream that wants List-Unsubscribe.
  void header(const HeaderPlan& plan) const;
  enum class CopyResult : std::uint8_t { taken, taken_before, refused, deferred };
  void copies(CopyResult result, std::uint64_t count) const;
  // At the return-path listener: its answers to recipients, and what became of mail on its way to
  // the original sender.
  enum class ReturnResult : std::uint8_t { taken, unknown, expired, deferred };
  void return_recipient(ReturnResult result) const;
  enum class Forwarded : std::uint8_t { taken, refused, deferred };
  void forwarded(Forwarded result) const;
  // The reply that an exchange of AUTH ended with.
  void authentication(const wire::Reply& reply) const;
  // A connection that was sent away: the gate, its listener or its address has too many, or the
  // load balancer did not say whose it is.
  enum class Turned : std::uint8_t { gate, listener, address, proxy_header };
  void turned_away(Turned why) const;
  // A message that was more than its sender may send in a minute.
  void over_rate() const { over_rate_->add(); }
  void lookup(double seconds) const { lookup_->observe(seconds); }

 private:
  static constexpr std::size_t reasons = 6;  // policy::Reason; none is "passed"
  struct OfStream {
    std::array<metrics::Counter*, reasons> recipients{};
    metrics::Counter* deferred = nullptr;
    std::array<metrics::Counter*, 3> messages{};  // delivered, refused, deferred
  };
  [[nodiscard]] const OfStream& of(const policy::Stream& stream) const;
  [[nodiscard]] static OfStream make(metrics::Registry& registry, const policy::Stream& stream);

  const policy::Streams& streams_;
  std::vector<OfStream> of_streams_;            // in the order of the streams
  std::array<metrics::Counter*, 6> replies_{};  // by the code's first digit
  std::array<metrics::Counter*, 4> dkim_{};
  std::array<metrics::Counter*, 4> copies_{};
  std::array<metrics::Counter*, 4> return_recipients_{};
  std::array<metrics::Counter*, 3> forwarded_{};
  std::array<metrics::Counter*, 3> authentications_{};  // done, refused, deferred
  std::array<metrics::Counter*, 4> turned_away_{};
  metrics::Counter* over_rate_ = nullptr;
  metrics::Counter* kept_ = nullptr;
  metrics::Counter* added_ = nullptr;
  metrics::Histogram* lookup_ = nullptr;
};

}  // namespace postern::proxy
