// The one line that a sender reads: address, reason and date first, then the note as far as it
// fits.
#include "base/text.h"
#include "policy/decision.h"
#include "policy/unicode.h"

#include <algorithm>

namespace postern::policy {

namespace {

// A reply line holds 512 octets (RFC 5321 section 4.5.3.1.5); clients and their logs show far less.
constexpr std::size_t max_text = 200;
constexpr std::string_view ellipsis = "...";

// Fit for one line of a reply: controls are blanks, what the client cannot read is a question mark.
std::string one_line(std::string_view text, bool utf8) {
  if (is_plain(text) && !text.starts_with(' ') && !text.ends_with(' ')) {
    return std::string(text);
  }
  std::string result;
  while (true) {
    const auto plain = std::ranges::find_if_not(text, [](char c) { return c >= ' ' && c <= '~'; });
    result.append(text.begin(), plain);
    text.remove_prefix(static_cast<std::size_t>(plain - text.begin()));
    if (text.empty()) break;
    const Character character = first_character(text);
    if (character.valid && ends_or_controls_line(character.value)) {
      result += ' ';
    } else if (!character.valid || (character.size > 1 && !utf8)) {
      result += '?';
    } else {
      result += text.substr(0, character.size);
    }
    text.remove_prefix(character.size);
  }
  const auto first = result.find_first_not_of(' ');
  if (first == result.npos) return {};
  return result.substr(first, result.find_last_not_of(' ') + 1 - first);
}

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

// At most `size` octets of valid UTF-8, whole characters.
std::string_view head(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && !begins_character(text[size])) --size;
  return text.substr(0, size);
}

std::string_view tail(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  std::size_t begin = text.size() - size;
  while (begin < text.size() && !begins_character(text[begin])) ++begin;
  return text.substr(begin);
}

// Both ends tell who is meant: the local part begins, the domain ends an address.
std::string shortened(std::string text, std::size_t size) {
  if (text.size() <= size) return text;
  const std::size_t room = size - ellipsis.size();
  std::string result(head(text, room / 2));
  result += ellipsis;
  return result += tail(text, room - room / 2);
}

// In front of the date.
std::string_view phrase(const Verdict& verdict) {
  switch (verdict.reason) {
    case Reason::unsubscribed:
      return "recipient unsubscribed on ";
    case Reason::complained:
      return "recipient complained on ";
    case Reason::bounced:
      return "earlier mail bounced on ";
    case Reason::blocked:
      return verdict.domain_wide ? "blocked (whole domain) on " : "blocked on ";
    case Reason::no_consent:
    case Reason::none:
      break;
  }
  return "no recorded consent to mail of this stream";
}

}  // namespace

bool tells_note(Reason reason) { return reason == Reason::bounced || reason == Reason::blocked; }

Refusal refusal(const Verdict& verdict, std::string_view address, std::string_view note,
                bool utf8) {
  if (verdict.allowed()) return {};
  const std::string_view reason = phrase(verdict);
  const std::string date = reason.ends_with(' ') ? format_date(verdict.date) : std::string();
  Refusal result{.code = 550,
                 .enhanced_status_code = verdict.reason == Reason::bounced ? "5.1.1" : "5.7.1",
                 .text = {}};
  result.text.reserve(max_text);
  if (!address.empty()) {
    constexpr std::size_t frame = std::string_view("<>: ").size();
    const std::size_t room = max_text - frame - reason.size() - date.size();
    result.text += '<';
    result.text += shortened(one_line(address, utf8), room);
    result.text += ">: ";
  }
  result.text += reason;
  result.text += date;
  if (!tells_note(verdict.reason)) return result;
  if (const std::string line = one_line(note, utf8); !line.empty()) {
    const std::string whole = result.text + ": " + line;
    // A colon that nothing follows says less than none.
    if (const auto text = head(whole, max_text); text.size() > result.text.size() + 2) {
      result.text = text;
    }
  }
  return result;
}

}  // namespace postern::policy
