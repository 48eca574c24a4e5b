#include "said.h"

#include "base/text.h"

#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postern::rows {
namespace {

std::string described(const Row& row, const Statement& said) {
  std::string text = fmt::format(
      "{}|{}|{}|{}|{}|{}|{}|{}|{}", row.address.text, said.status ? to_string(*said.status) : "",
      said.stream, said.date ? format_time(*said.date) : "",
      said.until ? format_time(*said.until) : "", said.source, said.note,
      said.hold ? to_hex(said.hold->octets) : "", fmt::join(said.except, " "));
  while (text.ends_with('|')) text.pop_back();
  return text;
}

std::string described(const Recognised& file) {
  const std::string delimiter = file.delimiter == '\t'   ? "tab"
                                : file.delimiter == '\0' ? "-"
                                                         : std::string(1, file.delimiter);
  return fmt::format("{} {} {} {} {} [{}]", file.format, file.source, file.encoding, delimiter,
                     file.status ? to_string(*file.status) : "-",
                     fmt::join(file.unused_columns, ", "));
}

}  // namespace

std::string said(RowReader& reader) {
  std::string out;
  while (auto next = reader.next()) {
    const auto add = [&](std::string_view what) {
      out += fmt::format("{} {}\n", next->line, what);
    };
    if (!next->row) {
      add(fmt::format("! {}{}", next->stop ? "STOP " : "", next->row.error().text));
      continue;
    }
    const Row& row = *next->row;
    if (row.statements.empty()) add(row.address.text + (row.active ? " active" : " nothing"));
    for (const Statement& statement : row.statements) add(described(row, statement));
  }
  return out;
}

std::string said(std::string_view text, const ReadOptions& options) {
  std::istringstream in{std::string(text)};
  RowReader reader(in, options);
  if (auto known = reader.recognise(); !known) return "! " + known.error().text;
  return said(reader);
}

std::string recognised(std::string_view text, const ReadOptions& options) {
  std::istringstream in{std::string(text)};
  RowReader reader(in, options);
  const auto known = reader.recognise();
  return known ? described(*known) : "! " + known.error().text;
}

}  // namespace postern::rows
