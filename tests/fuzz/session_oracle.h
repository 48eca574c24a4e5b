// What a session must come to, read from the octets of both sides and nothing else: for
// session.cpp.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

inline bool has_bare(std::string_view octets) {
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (octets[i] == '\0') return true;
    if (octets[i] == '\r' && (i + 1 == octets.size() || octets[i + 1] != '\n')) return true;
    if (octets[i] == '\n' && (i == 0 || octets[i - 1] != '\r')) return true;
  }
  return false;
}

// Where the octets behind DATA's CRLF have their CRLF.CRLF, behind it; npos: not yet.
inline std::size_t data_end(std::string_view octets) {
  if (octets.starts_with(".\r\n")) return 3;
  const auto end = octets.find("\r\n.\r\n");
  return end == std::string_view::npos ? end : end + 5;
}

// A whole message that arrived upstream.
struct Delivery {
  std::string sender{};
  std::vector<std::string> recipients{};
  std::string data{};
  bool said = false;     // plainly: 250
  bool unclear = false;  // it said something that can be read so or so
};

// A message of the client, and what it was told of it.
struct Outcome {
  std::vector<std::string> accepted;  // lines of RCPT
  std::string data;
  std::optional<int> code;  // none: it heard nothing
};

struct Dialogue {
  std::vector<Outcome> outcomes;
  bool readable = true;  // false: there was something in it that is not read here
};

namespace detail {

struct Replies {
  std::string_view rest;
  std::optional<int> next() {
    for (;;) {
      const auto end = rest.find("\r\n");
      if (end == std::string_view::npos) return std::nullopt;
      const auto line = rest.substr(0, end);
      rest.remove_prefix(end + 2);
      require(line.size() >= 3);
      for (const char digit : line.substr(0, 3)) require(digit >= '0' && digit <= '9');
      if (line.size() > 3 && line[3] == '-') continue;
      return std::stoi(std::string(line.substr(0, 3)));
    }
  }
};

// What DATA would have brought (RFC 5321 section 4.5.2), without the final dot.
inline std::string stuffed(std::string content) {
  if (!content.empty() && !content.ends_with("\r\n")) content += "\r\n";
  content = "\r\n" + content;
  for (auto at = content.find("\r\n."); at != std::string::npos; at = content.find("\r\n.", at + 3))
    content.insert(at + 2, ".");
  return content.substr(2);
}

// RFC 3030 section 2: how many octets follow, and whether they are the last; none: it is not read
// here.
struct Chunk {
  std::size_t octets = 0;
  bool last = false;
};
inline std::optional<Chunk> chunk_of(std::string_view line) {
  constexpr std::size_t most_digits = 6;
  constexpr std::string_view verb = "BDAT ";
  std::string_view rest = line.substr(verb.size());
  const auto digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  if (digits == 0 || digits > most_digits) return std::nullopt;
  const std::size_t octets = std::stoul(std::string(rest.substr(0, digits)));
  rest.remove_prefix(digits);
  if (rest != "\r\n" && rest != " LAST\r\n") return std::nullopt;
  return Chunk{.octets = octets, .last = rest != "\r\n"};
}

inline bool is(std::string_view line, std::string_view verb) {
  return line.size() >= verb.size() &&
         std::ranges::equal(line.substr(0, verb.size()), verb, [](char a, char b) {
           return std::toupper(static_cast<unsigned char>(a)) == b;
         });
}

}  // namespace detail

// Each line has one reply; behind a 354 comes data, whose end has one; behind BDAT come as many
// octets as it says.
inline Dialogue read_dialogue(std::string_view sent, std::string_view heard) {
  Dialogue dialogue;
  detail::Replies replies{heard};
  require(!has_bare(heard) || heard.empty());
  if (replies.next() != 220) return dialogue;
  std::vector<std::string> accepted;
  std::optional<std::string> chunks;  // of the message that comes in them
  for (;;) {
    const auto end = sent.find("\r\n");
    if (end == std::string_view::npos) return dialogue;
    const std::string line(sent.substr(0, end + 2));
    sent.remove_prefix(end + 2);
    const auto chunk = detail::is(line, "BDAT ") ? detail::chunk_of(line) : std::nullopt;
    const auto content = sent.substr(0, chunk ? chunk->octets : 0);
    sent.remove_prefix(content.size());
    const auto code = replies.next();
    if (chunk && content.size() == chunk->octets) {
      chunks = chunks.value_or("").append(content);
      if (chunk->last && !accepted.empty()) {
        dialogue.outcomes.push_back(
            {.accepted = accepted, .data = detail::stuffed(*chunks), .code = code});
      }
      if (!code || code == 421) return dialogue;
      if (code == 250 && !chunk->last) continue;
      accepted.clear();
      chunks.reset();
      continue;
    }
    if (!code || code == 421) return dialogue;
    if (detail::is(line, "BDAT") || detail::is(line, "AUTH") || detail::is(line, "STARTTLS")) {
      dialogue.readable = false;
      return dialogue;
    }
    if (code == 354) {
      require(!accepted.empty());
      const auto stop = data_end(sent);
      Outcome outcome{.accepted = std::move(accepted), .data = {}, .code = {}};
      outcome.data = stop == std::string_view::npos ? "" : std::string(sent.substr(0, stop - 3));
      outcome.code = stop == std::string_view::npos ? std::nullopt : replies.next();
      const bool over = !outcome.code || outcome.code == 421;
      if (stop != std::string_view::npos) dialogue.outcomes.push_back(std::move(outcome));
      if (over) return dialogue;
      accepted = {};
      sent.remove_prefix(stop);
    } else if (code == 250 && detail::is(line, "RCPT")) {
      accepted.push_back(line);
    } else if (code == 250 && !detail::is(line, "NOOP")) {
      accepted.clear();
      chunks.reset();
    } else if (code != 500 && code != 501 && detail::is(line, "DATA") && !chunks) {
      accepted.clear();
    }
  }
}

namespace detail {

// The path of a RCPT in lower case; empty where it is written in a way that the gate changes.
inline std::string plain_path(std::string_view line) {
  const auto begin = line.find('<');
  const auto end = line.find('>');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return {};
  std::string path;
  for (const char c : line.substr(begin + 1, end - begin - 1)) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '@') return {};
    path += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return path.ends_with('.') ? std::string() : path;
}

inline bool is_for(const std::string& recipient, const std::vector<std::string>& accepted) {
  const auto path = plain_path(recipient);
  return std::ranges::any_of(accepted, [&](const std::string& line) {
    const auto named = plain_path(line);
    return path.empty() || named.empty() || named == path;
  });
}

// Is it this message, whole? What is added to a copy stands in front of it.
inline bool same(const Outcome& outcome, const Delivery& delivery, bool copies) {
  if (!std::ranges::all_of(delivery.recipients,
                           [&](const auto& to) { return is_for(to, outcome.accepted); })) {
    return false;
  }
  return copies ? delivery.data.ends_with(outcome.data) : outcome.data == delivery.data;
}

inline bool is_report(const Delivery& delivery) {
  return delivery.sender.starts_with("MAIL FROM:<>") &&
         delivery.data.find("multipart/report") != std::string::npos;
}

}  // namespace detail

namespace detail {

// Do these deliveries, and no others, come of this message?
inline bool explains(const Outcome& outcome, std::span<const Delivery> deliveries, bool copies) {
  std::set<std::string> reached;
  std::size_t said = 0;
  bool unclear = false;
  bool reported = false;
  for (const Delivery& delivery : deliveries) {
    if (copies && is_report(delivery)) {
      reported |= delivery.said;
      continue;
    }
    const auto& to = delivery.recipients;
    if (!same(outcome, delivery, copies)) return false;
    if (copies ? !to.empty() && reached.contains(to.front()) : said > 0 || unclear) return false;
    const bool one = copies && to.size() == 1;
    if (!delivery.unclear && !one && to.size() != outcome.accepted.size()) return false;
    reached.insert(to.begin(), to.end());
    said += delivery.said ? 1 : 0;
    unclear |= delivery.unclear || !delivery.said;
  }
  if (outcome.code == 250) return said > 0 || reported;
  return copies || !outcome.code || said == 0 || unclear;
}

// Whether the deliveries, in their order, are those of the messages, in theirs. The same message
// may have been sent twice, so that it is not always clear which of them one is of.
inline bool fits(const Dialogue& dialogue, std::span<const Delivery> deliveries,
                 std::size_t message, bool copies,
                 std::set<std::pair<std::size_t, std::size_t>>& failed) {
  if (message == dialogue.outcomes.size()) return deliveries.empty();
  if (failed.contains({message, deliveries.size()})) return false;
  for (std::size_t count = 0; count <= deliveries.size(); ++count) {
    if (explains(dialogue.outcomes[message], deliveries.first(count), copies) &&
        fits(dialogue, deliveries.subspan(count), message + 1, copies, failed)) {
      return true;
    }
  }
  failed.insert({message, deliveries.size()});
  return false;
}

}  // namespace detail

inline void check(const Dialogue& dialogue, const std::vector<Delivery>& deliveries, bool copies) {
  if (!dialogue.readable) return;
  for (const Outcome& outcome : dialogue.outcomes)
    require(!has_bare(outcome.data) || outcome.code != 250);
  std::set<std::pair<std::size_t, std::size_t>> failed;
  require(detail::fits(dialogue, deliveries, 0, copies, failed));
}

}  // namespace postern::fuzz
