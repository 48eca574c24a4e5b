// Replies: ours, composed; an upstream's, parsed and kept as it was. RFC 5321 section 4.2, RFC
// 2034.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::wire {

// A whole reply as it goes over the wire: every line with CRLF. Our own replies have one line but
// for EHLO's.
struct Reply {
  int code = 0;
  std::string text;  // octets for the wire

  [[nodiscard]] bool positive() const { return code >= 200 && code < 300; }
  // The yes to MAIL, RCPT and the end of data (RFC 5321 section 4.3.2); another 2yz is none to
  // them.
  [[nodiscard]] bool accepts() const { return code == 250 || code == 251; }
  [[nodiscard]] bool intermediate() const { return code >= 300 && code < 400; }
  [[nodiscard]] bool transient() const { return code >= 400 && code < 500; }
  [[nodiscard]] bool permanent() const { return code >= 500 && code < 600; }
  friend bool operator==(const Reply&, const Reply&) = default;
};

// "550 5.7.1 text\r\n"; no enhanced status code where it is empty. `text` is one line (the caller's
// promise: it is checked by an assertion, and CR or LF becomes a blank).
[[nodiscard]] Reply make_reply(int code, std::string_view enhanced_status_code,
                               std::string_view text);

// Its lines without their CRLFs, joined by blanks.
[[nodiscard]] std::string one_line(const Reply& reply);

// A reply line, the octets of an upstream's replies arriving in pieces. Bounded: a reply of more
// than max_reply_lines lines or max_reply_line octets in one is malformed.
inline constexpr std::size_t max_reply_line =
    2048;  // RFC 5321 section 4.5.3.1.5 says 512; the field is longer
inline constexpr std::size_t max_reply_lines = 128;

struct ParsedReply {
  enum class State : std::uint8_t {
    incomplete,  // read on
    complete,    // `reply`, and `consumed` octets of the input
    malformed,   // no code, a code outside 200-599, codes that differ, bare CR or LF, NUL, over a
                 // limit
  };
  State state = State::incomplete;
  Reply reply;
  std::size_t consumed = 0;
};
// The first reply in `input`, all of its lines. Text outside printable ASCII, tab and UTF-8 is
// malformed too.
[[nodiscard]] ParsedReply parse_reply(std::string_view input);

// The same reply with another code (a refused MAIL that answers RCPT: 552 as 550), text and lines
// kept.
[[nodiscard]] Reply with_code(const Reply& reply, int code);

}  // namespace postern::wire
