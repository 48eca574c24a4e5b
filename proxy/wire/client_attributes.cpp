#include "proxy/wire/client_attributes.h"

#include "base/text.h"
#include "proxy/wire/command.h"

#include <algorithm>

#include <fmt/format.h>

namespace postern::wire {

namespace {

constexpr std::size_t longest_value = 255;
constexpr std::size_t longest_line = 512;
constexpr std::size_t most_attributes = 32;
constexpr std::string_view unavailable = "[UNAVAILABLE]";

bool has_name(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const auto end = std::min(names.find(' '), names.size());
    if (equal_nocase(names.substr(0, end), name)) return true;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}

std::string to_xtext(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c > ' ' && c <= '~' && c != '+' && c != '=') {
      out += c;
    } else {
      out += fmt::format("+{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::unexpected<Error> bad(std::string_view what, std::string_view word) {
  return fail(Errc::invalid, fmt::format("{}: {}", what, printable(word, 60)));
}

}  // namespace

Result<ClientAttributes> parse_forwarded(std::string_view text) {
  ClientAttributes attributes;
  while (!(text = trim(text)).empty()) {
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) return bad("not an attribute", word);
    const auto name = word.substr(0, equals);
    const auto value = word.substr(equals + 1);
    if (!has_name(forwarded_names, name)) return bad("attribute not recognized", name);
    if (value.size() > longest_value || !is_xtext(value)) return bad("bad value of", name);
    if (attributes.size() == most_attributes) return bad("too many attributes", name);
    auto upper = to_upper(name);
    std::erase_if(attributes, [&](const auto& had) { return had.first == upper; });
    attributes.emplace_back(std::move(upper), value);
  }
  return attributes;
}

ClientAttributes xclient_attributes(const ClientFacts& facts) {
  auto address = to_string(facts.address);
  if (address.contains(':')) address.insert(0, "IPV6:");
  return {{"PROTO", facts.extended ? "ESMTP" : "SMTP"},
          {"HELO", facts.helo.empty() ? std::string(unavailable) : to_xtext(facts.helo)},
          {"LOGIN", facts.login.empty() ? std::string(unavailable) : to_xtext(facts.login)},
          {"PORT", std::string(unavailable)},
          {"NAME", std::string(unavailable)},
          {"ADDR", address}};
}

std::vector<std::string> attribute_lines(std::string_view verb, const ClientAttributes& attributes,
                                         std::string_view offered) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : attributes) {
    if (!has_name(offered, name)) continue;
    const auto word = fmt::format(" {}={}", name, value);
    if (lines.empty() || lines.back().size() + word.size() + 2 > longest_line) {
      lines.emplace_back(verb);
    }
    lines.back() += word;
  }
  for (auto& line : lines) line += "\r\n";
  return lines;
}

}  // namespace postern::wire
