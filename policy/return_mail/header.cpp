#include "policy/return_mail/header.h"

#include "base/text.h"

#include <algorithm>

namespace postern::return_mail {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool in_name(char c) { return c > ' ' && c < '\x7f' && c != ':'; }

bool is_mbox_line(std::string_view line) {
  return line.starts_with("From ") || line.starts_with(">From ");
}

void pass_over_front(std::string_view& text) {
  while (!text.empty()) {
    std::string_view rest = text;
    const std::string_view line = take_line(rest);
    if (!trim(line).empty() && !is_mbox_line(line)) return;
    text = rest;
  }
}

}  // namespace

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), end + 1));
  return line;
}

std::string_view field_name(std::string_view line) {
  const auto* const end = std::ranges::find_if_not(line, in_name);
  const auto length = static_cast<std::size_t>(end - line.begin());
  if (length == 0) return {};
  const std::size_t colon = line.find_first_not_of(" \t", length);
  return colon != std::string_view::npos && line[colon] == ':' ? line.substr(0, length)
                                                               : std::string_view();
}

std::string unfold(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  while (!value.empty()) {
    const std::string_view line = trim(take_line(value));
    if (!out.empty() && !line.empty()) out += ' ';
    out += line;
  }
  return out;
}

std::string Field::unfolded() const { return unfold(value); }

const Field* Header::find(std::string_view name) const {
  const auto found = std::ranges::find_if(
      fields, [&](const Field& field) { return equal_nocase(field.name, name); });
  return found == fields.end() ? nullptr : &*found;
}

std::string Header::value(std::string_view name) const {
  const Field* const field = find(name);
  return field == nullptr ? std::string() : field->unfolded();
}

Message parse_message(std::string_view text) {
  pass_over_front(text);
  Message message;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view behind = rest;
    const std::string_view line = take_line(behind);
    if (!message.header.fields.empty() && !line.empty() && is_blank(line.front())) {
      // A line of blanks alone ends the section in the field, though it is a continuation by the
      // letter.
      if (trim(line).empty()) break;
      auto& value = message.header.fields.back().value;
      value = {value.data(), static_cast<std::size_t>(line.data() + line.size() - value.data())};
    } else if (const auto name = field_name(line); !name.empty()) {
      if (message.header.fields.size() == max_fields) break;
      message.header.fields.push_back({name, line.substr(line.find(':', name.size()) + 1)});
    } else if (!is_mbox_line(line)) {
      break;
    }
    rest = behind;
  }
  message.header.text = text.substr(0, text.size() - rest.size());
  std::string_view behind = rest;
  if (trim(take_line(behind)).empty()) rest = behind;
  message.body = rest;
  return message;
}

}  // namespace postern::return_mail
