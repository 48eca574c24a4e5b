// A dialogue as data (tests/dialogs/*.smtp): what the client sends and gets, what the upstream gets
// and sends, both in one file.
//
//   # a comment
//   @ upstream PIPELINING SIZE 1000     what the upstream's EHLO offers (default: PIPELINING
//   8BITMIME SMTPUTF8 DSN SIZE)
//   @ upstream-greets 554 no            instead of its 220
//   @ upstream-stray 250 stray          a line behind its EHLO reply
//   @ upstream-unreachable;  @ upstream-unknown: not yet reached
//   @ untrusted                         the client may not relay
//   @ store-fails
//   @ unsubscribed|blocked|bounced|complained ADDRESS
//   @ whole                             what goes upstream depends on what arrives together: not
//   cut into pieces
//   @ header-limit 100                  octets of a header section;  @ received-header: with our
//   trace line
//   @ return-domain bounce.example      envelope senders become addresses in it;  @ keep PATTERN
//   @ return-path off|domain            of the stream "default";  @ list-stream off|domain: of a
//   stream "list" with the list_id news.example
//   @ contexts-fail                     what return addresses stand for cannot be put on record
//   @ no-keys                           the keys of return addresses are not known
//   @ links                             marketing mail gets one-click links
//   @ split                             copies are made, one after the other
//   @ upstream-also AUTH PLAIN LOGIN    a line more of the upstream's EHLO reply
//   @ auth                              clients may authenticate;  @ peer 192.0.2.1   who it is
//   @ upstream-elsewhere                it is not on this machine
//   @ route-login *@sales.example       a route for who authenticates, to the same upstream
//   @ xclient;  @ xforward              the upstream is told of the client; the client's word
//   counts
//   @ recipients 3                      the limit of a transaction;  @ errors 3   of bad commands
//   @ size 100                          octets of a message;  @ per-minute 2   messages
//   @ normalize                         a bare LF ends a line of a message
//   @ no-patience                       the time for commands is over at once (the pipes of a
//   script have no deadlines, a message in chunks has one)
//   -> LINE      the client sends it, with CRLF; lines that follow each other go out together
//   ~> 'OCTETS'  the client sends just these (\r \n \0 \\ \')
//   -| close     the client hangs up
//   <- LINE      the client gets it; "..." at its end: only the beginning counts
//   <-| closed   the client is hung up on
//   {bounce STREAM SENDER RECIPIENT} in what the upstream gets stands for that token, which has to
//   be on record by then; {unsubscribe STREAM RECIPIENT} likewise
//   => LINE      the upstream gets it, likewise (its EHLO, and RSET before a reuse, are not shown:
//   the runner answers them)
//   <= LINE      the upstream sends it, once it got what stands above
//   <~ 'OCTETS'  the upstream sends just these
//   =| close     the upstream hangs up;  =| new connection: what follows is on another
//   =|> closed   the upstream is hung up on; behind a 354: in the middle of data, however much of
//   it came
//   !! STREAM SENDER RECIPIENT: REPLY   what is told of a recipient that the upstream refused, in
//   order; a script without a line of it does not care
//   ++ STREAM CAMPAIGN SENDER: RECIPIENT REASON, ...   what the traffic log is told, a line a
//   transaction, in order; "-" where empty, recipients sorted, reason "none" of those let through.
//   A script without a line of it, and without "@ nothing-told", does not care
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace postern::test {

struct Step {
  enum class Kind { send, hang_up, expect, expect_closed, new_connection };
  Kind kind;
  std::string octets;  // send: for the wire; expect: a line without CRLF
};

struct Script {
  std::string name;
  std::vector<std::string> settings;  // without the "@ "
  std::vector<Step> client;
  std::vector<Step> upstream;
  std::vector<std::string> told;
  std::vector<std::string> refused;
  [[nodiscard]] bool has(std::string_view setting) const;
  // What follows that setting's name, where it is there.
  [[nodiscard]] std::string argument(std::string_view setting, std::string otherwise) const;
};

// Throws std::runtime_error naming file and line: a bad script is a bad test.
[[nodiscard]] Script read_script(const std::filesystem::path& file);
[[nodiscard]] std::vector<std::filesystem::path> all_scripts();

struct Variation {
  std::size_t chunk = std::string::npos;      // octets that the client sends at a time
  std::size_t write_limit = 1U << 20U;        // that one write of the gate takes
  std::size_t cut_after = std::string::npos;  // the client hangs up after that many octets
};

struct Outcome {
  std::string mismatch;               // empty: every step was met
  bool session_ended = false;         // after the client went
  std::size_t client_octets = 0;      // that the script sends in all
  std::size_t messages_upstream = 0;  // whole messages (CRLF.CRLF) that arrived upstream
  std::size_t positive_ends = 0;      // 250 that the upstream gave to them
  std::size_t refusals = 0;           // of recipients, by the gate
  std::size_t refusals_told = 0;      // to the traffic log
  std::size_t deliveries_told = 0;    // transactions of whose recipients one was let through
};
[[nodiscard]] Outcome play(const Script& script, const Variation& variation);

}  // namespace postern::test
