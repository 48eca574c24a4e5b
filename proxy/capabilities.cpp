#include "proxy/capabilities.h"

#include "base/text.h"
#include "proxy/wire/auth.h"
#include "proxy/wire/client_attributes.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postern::proxy {

namespace {

// Nobody offers more; a longer list is not gone through again for each of its words.
constexpr std::size_t most_mechanisms = 40;

std::string_view next_word(std::string_view& rest) {
  rest = trim(rest);
  const auto word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(word.size());
  return word;
}

void add_mechanisms(std::vector<std::string>& mechanisms, std::string_view names) {
  for (auto word = next_word(names); !word.empty(); word = next_word(names)) {
    auto name = to_upper(word);
    if (!wire::is_mechanism(name) || mechanisms.size() == most_mechanisms) continue;
    if (std::ranges::find(mechanisms, name) == mechanisms.end())
      mechanisms.push_back(std::move(name));
  }
}

std::string attributes(std::string_view names) {
  std::string found;
  for (auto word = next_word(names); !word.empty(); word = next_word(names)) {
    if (!found.empty()) found += ' ';
    found += to_upper(word);
  }
  return found;
}

void add_size(Capabilities& found, std::string_view argument) {
  found.size = true;
  std::uint64_t limit = 0;
  const auto* const last = argument.data() + argument.size();
  const auto [stop, error] = std::from_chars(argument.data(), last, limit);
  if (error == std::errc{} && stop == last) found.size_limit = limit;
}

void add_line(Capabilities& found, std::string_view line) {
  constexpr std::string_view old_auth = "AUTH=";
  const auto blank = line.find(' ');
  const std::string_view keyword = line.substr(0, blank);
  const std::string_view argument = blank == std::string_view::npos ? "" : trim(line.substr(blank));
  if (equal_nocase(keyword, "PIPELINING")) {
    found.pipelining = true;
  } else if (equal_nocase(keyword, "8BITMIME")) {
    found.eight_bit_mime = true;
  } else if (equal_nocase(keyword, "SMTPUTF8")) {
    found.smtputf8 = true;
  } else if (equal_nocase(keyword, "DSN")) {
    found.dsn = true;
  } else if (equal_nocase(keyword, "SIZE")) {
    add_size(found, argument);
  } else if (equal_nocase(keyword, "STARTTLS")) {
    found.starttls = true;
  } else if (equal_nocase(keyword, "CHUNKING")) {
    found.chunking = true;
  } else if (equal_nocase(keyword, "XCLIENT")) {
    found.xclient = attributes(argument);
  } else if (equal_nocase(keyword, "XFORWARD")) {
    found.xforward = attributes(argument);
  } else if (equal_nocase(keyword, "AUTH")) {
    add_mechanisms(found.auth, argument);
  } else if (equal_nocase(keyword.substr(0, old_auth.size()), old_auth)) {
    // As servers wrote it before RFC 2554, and some still do beside the other.
    add_mechanisms(found.auth, line.substr(old_auth.size()));
  }
}

}  // namespace

Capabilities parse_capabilities(const wire::Reply& reply) {
  Capabilities found;
  std::string_view rest = reply.text;
  bool greeting = true;  // the first line holds the server's name
  while (!rest.empty()) {
    const auto end = rest.find("\r\n");
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    line.remove_prefix(std::min<std::size_t>(line.size(), 4));
    if (!std::exchange(greeting, false)) add_line(found, line);
  }
  return found;
}

wire::Reply ehlo_reply(std::string_view hostname, const Capabilities& offered,
                       const OwnExtensions& own) {
  std::string text = fmt::format("250-{}\r\n250-PIPELINING\r\n", hostname);
  if (offered.size && offered.size_limit != 0) {
    text += fmt::format("250-SIZE {}\r\n", offered.size_limit);
  } else if (offered.size) {
    text += "250-SIZE\r\n";
  }
  if (offered.eight_bit_mime) text += "250-8BITMIME\r\n";
  if (offered.smtputf8) text += "250-SMTPUTF8\r\n";
  if (offered.dsn) text += "250-DSN\r\n";
  if (own.starttls) text += "250-STARTTLS\r\n";
  if (!offered.auth.empty()) text += fmt::format("250-AUTH {}\r\n", fmt::join(offered.auth, " "));
  if (own.xforward) text += fmt::format("250-XFORWARD {}\r\n", wire::forwarded_names);
  if (own.chunking) text += "250-CHUNKING\r\n";
  text += "250 ENHANCEDSTATUSCODES\r\n";
  return {250, std::move(text)};
}

Capabilities needed_by(const wire::MailParameters& parameters) {
  Capabilities needed;
  needed.smtputf8 = parameters.smtputf8;
  needed.eight_bit_mime = parameters.body != wire::Body::unspecified;
  needed.dsn = !parameters.ret.empty() || !parameters.envid.empty();
  return needed;
}

bool needs_dsn(const wire::RecipientParameters& parameters) {
  return !parameters.notify.empty() || !parameters.orcpt.empty();
}

std::string_view missing(const Capabilities& offered, const Capabilities& needed) {
  if (needed.smtputf8 && !offered.smtputf8) return "SMTPUTF8";
  if (needed.eight_bit_mime && !offered.eight_bit_mime) return "8BITMIME";
  if (needed.dsn && !offered.dsn) return "DSN";
  if (needed.size && !offered.size) return "SIZE";
  return {};
}

}  // namespace postern::proxy
