// A message on its way: from the client's 354 to its final dot. The header section is looked at as
// it flows and gets its trace line; the body goes on as it arrives, in bounded memory. DESIGN.md 6
// and 7.
#pragma once

#include "proxy/wire/data.h"
#include "proxy/wire/line_ends.h"
#include "proxy/wire/reply.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace postern::proxy {

// What becomes of a message's header section once it is whole, our trace line included.
class SectionEditor {
 public:
  struct Edit {
    // In its place; none: it goes on as it came, behind the trace line.
    std::optional<std::string> section;
    std::optional<wire::Reply> refused;  // the message is not taken: the reply for its end
  };
  virtual ~SectionEditor() = default;
  // Called once. `section`: as it came, dot-stuffed, without the trace line.
  [[nodiscard]] virtual Edit edit(std::string_view section, std::string_view campaign) = 0;
};

// The pure part: octets from the client in, octets for the upstream out. No socket is near.
class MessageFlow {
 public:
  struct Limits {
    std::uint64_t header = 1ULL << 20U;
    std::uint32_t hops = 100;
    std::uint64_t size = 0;        // of the message, as RFC 1870 section 3 counts; 0: none
    bool normalize_lines = false;  // a bare LF ends a line, and goes on as CRLF
  };
  // `trace`: our Received: line with its CRLF, or empty. `campaign_header`: names of the fields
  // that name a campaign, the first that the message has counts. `editor` may be null. Both outlive
  // it.
  MessageFlow(std::string trace, Limits limits, std::span<const std::string> campaign_header = {},
              SectionEditor* editor = nullptr)
      : trace_(std::move(trace)),
        limits_(limits),
        campaign_header_(campaign_header),
        editor_(editor) {
    if (limits.normalize_lines) line_ends_.emplace();
  }

  struct Output {
    std::array<std::string_view, 4>
        pieces;                // in order; valid until the next feed(), and as long as its input is
    std::size_t consumed = 0;  // octets of the input that belong to the message
  };
  // Takes the next octets, however they are cut; gives what may go upstream now. Nothing more after
  // a refusal, but octets are consumed to the message's real end.
  [[nodiscard]] Output feed(std::string_view input);

  // The client's final dot was seen.
  [[nodiscard]] bool finished() const { return scanner_.finished(); }
  // Why the message cannot go on: the reply for its end. It must then not be ended upstream.
  [[nodiscard]] const std::optional<wire::Reply>& refused() const { return refused_; }
  // Empty while the header section is incomplete, and where it names none.
  [[nodiscard]] const std::string& campaign() const { return campaign_; }
  // The header section is behind us: what feed() gives from now on is the body.
  [[nodiscard]] bool past_header() const { return !in_header_ && !refused_; }
  // Octets of the client so far, dot-stuffed, the final dot included.
  [[nodiscard]] std::uint64_t octets() const { return octets_; }

 private:
  [[nodiscard]] Output take(std::string_view input);
  [[nodiscard]] bool too_large() const;
  [[nodiscard]] bool examine(std::string_view section);
  std::size_t note_fields(std::string_view section);
  void refuse(int code, std::string_view enhanced_status_code, std::string_view text);

  std::string trace_;
  Limits limits_;
  std::span<const std::string> campaign_header_;
  SectionEditor* editor_;
  std::string edited_;
  std::optional<wire::LineEnds> line_ends_;
  std::string normalized_;  // the octets of the last feed()
  wire::DataScanner scanner_;
  std::uint64_t scanned_ = 0;
  std::string header_;  // the header section so far, while it is incomplete
  bool in_header_ = true;
  bool cr_held_ = false;  // the last octet waits for its LF
  std::optional<wire::Reply> refused_;
  std::string campaign_;
  std::uint64_t octets_ = 0;
};

// "Received: from helo ([192.0.2.1]) by hostname with ESMTPSA id ...; date", folded, with CRLF (RFC
// 5321 section 4.4; RFC 3848 and 6531 section 4.3 for what it was sent with).
struct TraceFields {
  std::string_view helo;
  std::string_view peer;  // the address as text
  std::string_view hostname;
  std::string_view id;
  std::string_view date;
  bool extended = true;
  bool authenticated = false;
  std::string_view tls{};  // "TLSv1.3 with cipher ..."; empty: none
  bool utf8 = false;
};
[[nodiscard]] std::string received_line(const TraceFields& fields);

}  // namespace postern::proxy
