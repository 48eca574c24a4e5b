#include "policy/classify/command.h"

#include "base/text.h"
#include "policy/classify/phrase_set.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <vector>

namespace postern::classify {
namespace {

// Octets that are looked at of what was said, and of a transcript's answers: for a hostile text of
// many recipients.
constexpr std::size_t max_said = 200;
constexpr std::size_t max_answers = 2048;

struct Sign {
  std::string_view words;
  Command command;
};

// ">>> mail" is none: what stands below it may be the reporter's own words about something else.
constexpr std::array signs{
    Sign{"reply to mail from", Command::mail},
    Sign{"response to mail from", Command::mail},
    Sign{"after mail from", Command::mail},
    Sign{"pipelined mail from", Command::mail},
    Sign{"mail from command", Command::mail},
    Sign{"reply to mail command", Command::mail},
    Sign{"response to mail command", Command::mail},
    Sign{"sent: mail from", Command::mail},
    Sign{"smtp:mail", Command::mail},
    Sign{"rcpt", Command::rcpt},
    Sign{"not like recipient", Command::rcpt},
    Sign{"recipient command", Command::rcpt},
    Sign{">>> data", Command::data},
    Sign{"data command", Command::data},
    Sign{"end of data", Command::data},
    Sign{"after data", Command::data},
    Sign{"to data", Command::data},
    Sign{"server after data", Command::data},
    Sign{"pipelined data", Command::data},
    Sign{"smtp:data", Command::data},
    Sign{"\ndata\n", Command::data},
    Sign{"failed after i sent the message", Command::data},
};

const PhraseSet& sign_set() {
  static const PhraseSet set = [] {
    std::vector<std::string> words;
    for (const Sign& sign : signs) words.emplace_back(sign.words);
    return PhraseSet(words);
  }();
  return set;
}

// Lower case; a line that goes on, indented, in the next one is one line.
std::string unfolded_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\r') continue;
    const bool folded =
        text[at] == '\n' && at + 1 < text.size() && (text[at + 1] == ' ' || text[at + 1] == '\t');
    if (!folded) {
      out += ascii_lower(text[at]);
      continue;
    }
    out += ' ';
    at = std::min(text.find_first_not_of(" \t", at + 1), text.size()) - 1;
  }
  return out;
}

// What can be found again: Sendmail puts it in brackets, beside the address.
std::string reply_of(std::string_view said) {
  constexpr std::string_view bracket = "(reason:";
  said = trim(said);
  if (said.size() > bracket.size() && equal_nocase(said.substr(0, bracket.size()), bracket)) {
    said.remove_prefix(bracket.size());
    if (said.ends_with(')')) said.remove_suffix(1);
  }
  return unfolded_lower(trim(said.substr(0, max_said)));
}

struct Place {
  std::size_t begin;
  Command command;
};

std::vector<Place> places_of_signs(std::string_view lower) {
  std::vector<Place> places;
  sign_set().find(lower, [&](std::uint32_t sign, std::size_t begin, std::size_t) {
    places.push_back({begin, signs[sign].command});
    return true;
  });
  std::ranges::sort(places, {}, &Place::begin);
  return places;
}

// What one side of a session sent, the line without its mark; nothing: no line of a transcript.
std::string_view after_mark(std::string_view line, std::string_view one, std::string_view other) {
  for (const std::string_view mark : {one, other}) {
    if (line.starts_with(mark)) return trim(line.substr(mark.size()));
  }
  return {};
}

}  // namespace

bool was_answer(std::string_view answers, std::string_view said) {
  const std::string words = reply_of(said);
  return !words.empty() && answers.contains(words);
}

Command command_of(std::string_view text, std::string_view said) {
  const std::string lower = unfolded_lower(text);
  // RCPT and DATA went out together (RFC 2920): a server that refused RCPT has nobody to take DATA
  // for.
  if (lower.contains("need rcpt")) return Command::rcpt;
  const std::string words = reply_of(said);
  if (!words.empty() && answers_to_mail(lower).contains(words)) return Command::mail;
  const auto places = places_of_signs(lower);
  if (places.empty()) return Command::unknown;
  auto middle = words.empty() ? std::string::npos : lower.find(words, places.front().begin);
  if (middle == std::string::npos && !words.empty()) middle = lower.find(words);
  const auto behind = std::ranges::upper_bound(places, middle, {}, &Place::begin);
  return behind == places.begin() ? behind->command : std::prev(behind)->command;
}

std::string answers_to_mail(std::string_view text) {
  constexpr std::string_view ask = "mail from:";
  std::string answers;
  bool asked = false;
  while (!text.empty() && answers.size() < max_answers) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (const auto sent = after_mark(line, ">>> ", "--> "); !sent.empty()) {
      asked = equal_nocase(sent.substr(0, ask.size()), ask);
    } else if (const auto answer = after_mark(line, "<<< ", "<-- "); asked && !answer.empty()) {
      answers += to_lower(answer);
      answers += '\n';
    } else {
      asked = false;
    }
  }
  return answers;
}

}  // namespace postern::classify
