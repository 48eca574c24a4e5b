// A command line of a client, parsed: bytes in, values out. RFC 5321 section 4.1.1, with the
// parameters of SIZE (1870), 8BITMIME (6152), SMTPUTF8 (6531) and DSN (3461); BDAT (3030). No
// socket is near.
#pragma once

#include "policy/address.h"
#include "proxy/wire/reply.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::wire {

enum class Verb : std::uint8_t {
  helo,
  ehlo,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  noop,
  quit,
  vrfy,
  expn,
  help,
  starttls,
  auth,
  xforward,
  unknown
};

// RFC 5321 section 4.5.3.1.4 gives 512 octets as the minimum; ORCPT, ENVID and long local parts
// need more, the initial response of AUTH as many as RFC 4954 section 4.3 says.
inline constexpr std::size_t max_command_line = 12'288;  // CRLF included

enum class Body : std::uint8_t { unspecified, seven_bit, eight_bit_mime };

struct MailParameters {
  std::optional<std::uint64_t> size;
  Body body = Body::unspecified;
  bool smtputf8 = false;
  std::string ret;    // "FULL", "HDRS", or empty
  std::string envid;  // xtext as the client sent it, valid (RFC 3461 section 4.4), or empty
  std::string auth;   // "<>", or an address as xtext (RFC 4954 section 5), or empty
};
struct RecipientParameters {
  std::string notify;  // upper case: "NEVER", "SUCCESS,FAILURE", ...; or empty
  std::string orcpt;   // "rfc822;xtext" as the client sent it, valid (section 4.2), or empty
};

struct Command {
  Verb verb = Verb::unknown;
  // HELO, EHLO: the name; AUTH: the mechanism, in upper case; VRFY, EXPN, HELP, NOOP, XFORWARD: the
  // text.
  std::string argument;
  std::string initial_response;  // AUTH: as it came, "=" for one without octets; empty: none
  policy::Mailbox path;          // MAIL, RCPT; the empty mailbox is the null reverse-path
  MailParameters mail;
  RecipientParameters recipient;
  // Set where the line is no valid command: the reply that the RFC has for it (500, 501, 504, 553,
  // 555 ...).
  std::optional<Reply> error;
  // BDAT: so many octets follow the line that are data and never read as commands, whatever is
  // answered, an error included. None: their number cannot be read, so that nobody knows where the
  // next command begins.
  std::optional<std::uint64_t> chunk;
  bool last = false;  // BDAT
};

// One line without its CRLF. Never fails: a bad line is a Command with `error`. Whether the command
// may come now is the session's question, not the parser's. Octets outside printable ASCII are
// valid only in the paths of MAIL and RCPT (UTF-8; whether SMTPUTF8 was asked for is checked here:
// 553 5.6.7 for RCPT is the session's, it knows the transaction).
[[nodiscard]] Command parse_command(std::string_view line);

// The line begins as BDAT does: whatever is wrong with it, octets that are no commands may follow.
[[nodiscard]] bool announces_chunk(std::string_view line);

// The command anew, from what was parsed, with CRLF: "MAIL FROM:<a@b> SIZE=12 BODY=8BITMIME\r\n".
// Appended to `out`. `with_size`: false leaves SIZE= out (it is a hint, and an upstream that does
// not offer SIZE refuses it).
void append_mail(std::string& out, const policy::Mailbox& reverse_path,
                 const MailParameters& parameters, bool with_size);
void append_rcpt(std::string& out, const policy::Mailbox& forward_path,
                 const RecipientParameters& parameters);

// RFC 3461 section 4: printable octets but "+" and "=", or "+" and two upper-case hexadecimal
// digits.
[[nodiscard]] bool is_xtext(std::string_view text);

// A complete line in front of `input`: its text without CRLF, and what is used up.
struct Line {
  enum class State : std::uint8_t {
    none,      // no CRLF yet: read on (unless max_command_line octets wait: then `too_long`)
    complete,  // `text`
    bare,      // a complete line that holds a bare CR or LF, or NUL: 500, never a command
    too_long,  // drop `consumed` octets; its CRLF is still to come: the next `complete` or `bare`
               // line is its tail
  };
  State state = State::none;
  std::string_view text;
  std::size_t consumed = 0;
};
// RFC 5321 section 2.3.8: only CRLF ends a line. A bare LF does not; the line that holds one is
// `bare`.
[[nodiscard]] Line next_line(std::string_view input);

}  // namespace postern::wire
