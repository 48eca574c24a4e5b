#include "store/rows/access_line.h"

#include "base/text.h"
#include "store/rows/address_field.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace postern::rows {
namespace {

constexpr std::string_view blanks = " \t\r\n";

enum class Action : std::uint8_t { blocks, nothing, unknown };

constexpr std::array<std::string_view, 18> silent_actions{
    "OK",      "DUNNO",  "PERMIT", "RELAY", "DEFER", "DEFER_IF_PERMIT", "DEFER_IF_REJECT",
    "HOLD",    "FILTER", "BCC",    "INFO",  "WARN",  "PREPEND",         "REDIRECT",
    "REPLACE", "STRIP",  "IGNORE", "DELAY"};

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// "550 text" is a reply, "550" alone is OK (access(5)); but who writes it means the reply.
Action action_of(std::string_view word) {
  if (equal_nocase(word, "REJECT") || equal_nocase(word, "DISCARD")) return Action::blocks;
  if (all_digits(word)) {
    return word.size() == 3 && word.front() == '5' ? Action::blocks : Action::nothing;
  }
  const bool silent = std::ranges::any_of(
      silent_actions, [&](std::string_view known) { return equal_nocase(known, word); });
  return silent ? Action::nothing : Action::unknown;
}

struct Parts {
  std::string_view pattern, action, text;
};

Parts parts_of(std::string_view line) {
  line = trim(line);
  Parts parts;
  std::size_t end = line.find_first_of(blanks);
  if (line.starts_with('"')) end = line.find('"', 1) == line.npos ? end : line.find('"', 1) + 1;
  parts.pattern = line.substr(0, end);
  const std::string_view rest = end == line.npos ? std::string_view() : trim(line.substr(end));
  const std::size_t word = std::min(rest.find_first_of(blanks), rest.size());
  parts.action = rest.substr(0, word);
  parts.text = trim(rest.substr(word));
  return parts;
}

std::vector<std::string> addresses_of(std::string_view pattern) {
  if (pattern.contains('@')) return {std::string(pattern)};
  const std::string domain(pattern);
  if (pattern.starts_with('.')) return {"@" + domain};
  return {"@" + domain, "@." + domain};
}

bool is_domain(std::string_view pattern) {
  const auto letter = [](char c) {
    return (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || static_cast<signed char>(c) < 0;
  };
  return std::ranges::any_of(pattern, letter);
}

}  // namespace

bool is_access_line(std::string_view line) {
  const Parts parts = parts_of(line);
  return !parts.pattern.contains(',') && !parts.pattern.contains(';') &&
         action_of(parts.action) != Action::unknown &&
         (parts.pattern.contains('@') || parts.pattern.contains('.'));
}

std::size_t access_line_size(std::string_view text) {
  std::size_t end = 0;
  do {
    const auto line_end = text.find('\n', end);
    if (line_end == text.npos) return text.size();
    end = line_end + 1;
  } while (end < text.size() && (text[end] == ' ' || text[end] == '\t'));
  return end;
}

Result<std::vector<Row>> read_access_line(std::string_view line) {
  const Parts parts = parts_of(line);
  const Action action = action_of(parts.action);
  if (action == Action::unknown) {
    return fail(Errc::invalid, fmt::format("\"{}\" is no action of an access map: REJECT blocks",
                                           printable(parts.action, 40)));
  }
  const bool is_contact =
      !parts.pattern.ends_with('@') && (parts.pattern.contains('@') || is_domain(parts.pattern));
  if (!is_contact && action == Action::nothing) return {};
  if (!is_contact) {
    return fail(Errc::invalid, fmt::format("\"{}\" is neither a mailbox nor a domain",
                                           printable(parts.pattern, 100)));
  }
  std::vector<Row> rows;
  for (const std::string& text : addresses_of(parts.pattern)) {
    auto address = read_address(text);
    if (!address) return std::unexpected(std::move(address).error());
    Row row{.address = *std::move(address), .statements = {}};
    if (action == Action::blocks) {
      Statement& blocked = row.statements.emplace_back();
      blocked.status = Status::blocked;
      blocked.note = parts.text;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace postern::rows
