#include "web/form.h"

#include "base/text.h"

#include <algorithm>
#include <optional>

namespace postern::web {
namespace {

constexpr std::size_t longest_boundary = 70;  // RFC 2046 section 5.1.1

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  const char lower = ascii_lower(c);
  if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a' + 10);
  return std::nullopt;
}

// A "%" that no two digits follow stands for itself, as browsers have it.
std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const auto high = hex_digit(text[i + 1]);
      const auto low = hex_digit(text[i + 2]);
      if (high && low) {
        out += static_cast<char>(*high * 16 + *low);
        i += 2;
        continue;
      }
    }
    out += text[i] == '+' ? ' ' : text[i];
  }
  return out;
}

using Fields = std::vector<std::pair<std::string, std::string>>;

Fields parse_urlencoded(std::string_view body) {
  Fields fields;
  while (!body.empty() && fields.size() < max_form_fields) {
    const auto end = std::min(body.find('&'), body.size());
    const auto pair = body.substr(0, end);
    body.remove_prefix(std::min(body.size(), end + 1));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    fields.emplace_back(decoded(pair.substr(0, equals)),
                        decoded(pair.substr(std::min(pair.size(), equals + 1))));
  }
  return fields;
}

// The value of a parameter behind a header's value: `name="form"`, `boundary=abc`.
std::string parameter(std::string_view header, std::string_view name) {
  auto semicolon = header.find(';');
  while (semicolon != header.npos) {
    header.remove_prefix(semicolon + 1);
    const auto equals = header.find('=');
    if (equals == header.npos) return {};
    const auto key = trim(header.substr(0, equals));
    auto value = trim(header.substr(equals + 1));
    std::string text;
    if (value.starts_with('"')) {
      std::size_t i = 1;
      for (; i < value.size() && value[i] != '"'; ++i) {
        if (value[i] == '\\' && i + 1 < value.size()) ++i;
        text += value[i];
      }
      header = value.substr(std::min(i + 1, value.size()));
    } else {
      text = trim(value.substr(0, value.find(';')));
      header = value;
    }
    if (equal_nocase(key, name)) return text;
    semicolon = header.find(';');
  }
  return {};
}

// Takes a line off the front, and its line break: CRLF, or LF alone.
std::string_view take_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  auto line = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), end + 1));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string part_name(std::string_view& part) {
  std::string name;
  while (!part.empty()) {
    const auto line = take_line(part);
    if (line.empty()) return name;
    const auto colon = line.find(':');
    if (colon == line.npos) continue;
    if (!equal_nocase(trim(line.substr(0, colon)), "Content-Disposition")) continue;
    name = parameter(line.substr(colon + 1), "name");
  }
  return name;
}

Fields parse_multipart(std::string_view body, std::string_view boundary) {
  Fields fields;
  const std::string delimiter = "--" + std::string(boundary);
  auto at = body.find(delimiter);
  while (at != body.npos && fields.size() < max_form_fields) {
    body.remove_prefix(at + delimiter.size());
    if (body.starts_with("--")) break;
    take_line(body);
    at = body.find("\n" + delimiter);
    auto part = body.substr(0, at);
    if (part.ends_with('\r')) part.remove_suffix(1);
    if (at != body.npos) ++at;
    auto name = part_name(part);
    if (!name.empty()) fields.emplace_back(std::move(name), part);
  }
  return fields;
}

}  // namespace

std::string_view Form::get(std::string_view name) const {
  for (const auto& [field, value] : fields_) {
    if (field == name) return value;
  }
  return {};
}

std::vector<std::string_view> Form::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [field, value] : fields_) {
    if (field == name) values.emplace_back(value);
  }
  return values;
}

Form parse_form(std::string_view content_type, std::string_view body) {
  const auto type = trim(content_type.substr(0, content_type.find(';')));
  if (!equal_nocase(type, "multipart/form-data")) return Form(parse_urlencoded(body));
  const auto boundary = parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > longest_boundary) return {};
  return Form(parse_multipart(body, boundary));
}

}  // namespace postern::web
