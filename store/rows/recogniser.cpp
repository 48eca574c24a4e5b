#include "store/rows/recogniser.h"

#include "base/config_values.h"
#include "base/text.h"
#include "policy/address.h"
#include "store/rows/access_line.h"
#include "store/rows/address_field.h"
#include "store/rows/decoder.h"
#include "store/rows/json_line.h"
#include "store/rows/table_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postern::rows {
namespace {

constexpr std::array<char, 4> delimiters{',', ';', '\t', '|'};
constexpr std::string_view any_format = "auto";
constexpr std::string_view csv_format = "csv";
constexpr std::string_view jsonl_format = "jsonl";

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// "# a comment"; "#,Email" is a table whose first column counts.
bool is_comment(std::string_view line) {
  return line.starts_with("##") || line.starts_with("# ") || trim(line) == "#";
}

// Excel's "sep=;" in front of the header.
std::optional<char> named_delimiter(std::string_view line) {
  line = trim(line);
  if (line.size() != 5 || !equal_nocase(line.substr(0, 4), "sep=")) return std::nullopt;
  return line.back();
}

// A domain without its "@": its row is rejected, with what to write.
bool is_bare_domain(std::string_view line) {
  return line.contains('.') && policy::parse_domain_pattern("@" + std::string(line)).has_value();
}

}  // namespace

std::vector<std::string_view> formats() {
  std::vector<std::string_view> names;
  for (const Format& format : known_formats()) {
    if (std::ranges::find(names, format.name) == names.end()) names.push_back(format.name);
  }
  for (const std::string_view name :
       {csv_format, jsonl_format, plain_list, hash_list, access_map}) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

Result<void> check_format_name(std::string_view name) {
  const auto known = formats();
  if (name == any_format || std::ranges::find(known, name) != known.end()) return {};
  const std::string_view meant = config::nearest(name, known);
  return fail(Errc::invalid,
              fmt::format("'{}' is no format{}; there are {}", printable(name, 60),
                          meant.empty() ? "" : fmt::format(", did you mean {}?", meant),
                          fmt::join(known, ", ")));
}

Result<std::optional<Recognition>> Recogniser::read(std::string_view left) {
  if (left.starts_with("PK\x03\x04")) {
    return fail(Errc::invalid,
                "an Excel workbook, or another zip: save the sheet as CSV, or unpack it");
  }
  const std::string_view raw = left.substr(0, left.find('\n'));
  Decoder decoder(only_utf8_);
  const auto decoded = decoder.decode(raw);
  const std::string_view line = decoded ? trim(*decoded) : std::string_view();
  if (is_comment(line)) return std::nullopt;
  if (const auto named = named_delimiter(line)) {
    delimiter_ = named;
    return std::nullopt;
  }
  if (options_.format == plain_list || options_.format == hash_list ||
      options_.format == access_map) {
    return lines(line);
  }
  if (options_.format == jsonl_format || (options_.format != csv_format && line.starts_with('{'))) {
    return objects(line);
  }
  if (line.starts_with('[') && (line.size() == 1 || line[1] == '{')) {
    return fail(Errc::invalid, "a JSON array: write one object a line, as jq -c '.[]' FILE does");
  }
  const auto tables = candidates(left);
  if (!tables) return std::unexpected(tables.error());
  std::optional<Error> why;
  for (const Candidate& candidate : *tables) {
    if (auto known = without_header(candidate)) return known;
    auto known = table(candidate);
    if (known) return *std::move(known);
    if (!why) why = std::move(known).error();  // of the one with the most columns
  }
  if (!forced() && options_.columns.empty()) {
    if (auto known = lines(line)) return known;
  }
  if (!why) {
    why = {Errc::invalid, fmt::format("the first line is neither an address nor a header: {}",
                                      printable(line, 100))};
  }
  return std::unexpected(*std::move(why));
}

// Lists and maps: what no header tells.
std::optional<Recognition> Recogniser::lines(std::string_view line) const {
  Recognition known;
  known.file.source = no_source;
  const auto address = read_address(line);
  const bool named_map = options_.format == access_map;
  if (named_map || (!forced() && !address && is_access_line(line))) {
    known.kind = Recognition::Kind::access;
    known.file.format = access_map;
    known.file.source = "postfix";
    known.file.status = Status::blocked;
    return known;
  }
  const bool several = line.find_first_of(",;\t|") != line.npos;
  if (!forced() && !address && !is_bare_domain(line) && (several || !line.contains('@'))) {
    return std::nullopt;
  }
  const bool digest = address && address->is_digest();
  known.file.format = options_.format == hash_list || digest ? hash_list : plain_list;
  if (options_.format == plain_list) known.file.format = plain_list;
  return known;
}

Result<Recognition> Recogniser::objects(std::string_view line) const {
  if (!line.starts_with('{') || line == "{") {
    return fail(Errc::invalid,
                "not JSON lines: write one object a line, as jq -c . FILE does; of what AWS "
                "prints, as jq -c "
                "'.SuppressedDestinationSummaries[]' FILE does");
  }
  Recognition known;
  known.kind = Recognition::Kind::objects;
  known.format = &generic_format();
  JsonReader json;
  if (json.read(line)) {
    Header header({json.names().begin(), json.names().end()});
    header.first.assign(json.texts().begin(), json.texts().end());
    known.format = format_of(header, false);
    if (known.format == nullptr) {
      return fail(Errc::invalid, fmt::format("this is no {}", options_.format));
    }
    const Layout layout = lay_out(*known.format, header, options_);
    if (!layout.has(Use::address)) {
      if (auto there = check_map(options_, header); !there) return std::unexpected(there.error());
      return std::unexpected(no_address_column(header));
    }
    known.file.unused_columns = layout.unused(header);
  }
  const bool generic = known.format == &generic_format();
  known.file.format = generic ? jsonl_format : known.format->name;
  known.file.source = known.format->source;
  known.file.status = known.format->status;
  return known;
}

// Those that read as a record of several columns, the one with the most first; where there is none,
// the record as one column.
Result<std::vector<Recogniser::Candidate>> Recogniser::candidates(std::string_view left) const {
  std::vector<Candidate> found;
  bool too_wide = false;
  const auto try_with = [&](char delimiter) {
    TableReader reader({.delimiter = delimiter}, only_utf8_);
    const auto record = reader.read(left);
    if (!record || (reader.fields().size() == 1 && delimiter != one_column)) return;
    if (reader.fields().size() > max_columns) {
      too_wide = true;
      return;
    }
    std::vector<std::string> names;
    for (const std::string_view name : reader.fields()) names.emplace_back(trim(name));
    Candidate candidate{delimiter, *record, Header(std::move(names))};
    candidate.header.first =
        first_row(delimiter, left.substr(record->used), candidate.header.names.size());
    found.push_back(std::move(candidate));
  };
  if (delimiter_) {
    try_with(*delimiter_);
  } else {
    for (const char delimiter : delimiters) try_with(delimiter);
  }
  if (too_wide) return fail(Errc::invalid, fmt::format("more than {} columns", max_columns));
  if (found.empty()) try_with(one_column);
  std::ranges::sort(found, std::ranges::greater{}, [](const Candidate& candidate) {
    const auto* place = std::ranges::find(delimiters, candidate.delimiter);
    return std::pair(candidate.header.names.size(), delimiters.end() - place);
  });
  return found;
}

std::vector<std::string> Recogniser::first_row(char delimiter, std::string_view rest,
                                               std::size_t width) const {
  const auto start = rest.find_first_not_of("\r\n");
  if (start == rest.npos) return {};
  TableReader reader({.delimiter = delimiter}, only_utf8_);
  const auto record = reader.read(rest.substr(start));
  if (!record || reader.fields().size() != width) return {};
  return {reader.fields().begin(), reader.fields().end()};
}

const Format* Recogniser::format_of(const Header& header, bool headerless) const {
  if (options_.format == csv_format || options_.format == jsonl_format) return &generic_format();
  if (!forced()) {
    const Format* known = recognise_format(header, headerless);
    return known == nullptr ? &generic_format() : known;
  }
  for (const Format& format : known_formats()) {
    if (format.name == options_.format && format.headerless == headerless &&
        fits(format, header, true)) {
      return &format;
    }
  }
  return nullptr;
}

// The first line is a row already: a format that has no header, or --map counts the columns.
std::optional<Recognition> Recogniser::without_header(const Candidate& candidate) const {
  Header header(numbered(candidate.header.names.size()));
  header.first = candidate.header.names;
  const bool counted =
      !options_.columns.empty() && std::ranges::all_of(options_.columns, [](const auto& column) {
        return is_number(column.second);
      });
  const Format* format = format_of(header, true);
  if (format == nullptr || (!format->headerless && !counted)) return std::nullopt;
  if (!check_map(options_, header)) return std::nullopt;
  Layout layout = lay_out(*format, header, options_);
  const auto address = std::ranges::find(layout.plans, Use::address, &Plan::use);
  if (address == layout.plans.end()) return std::nullopt;
  const auto column = static_cast<std::size_t>(address - layout.plans.begin());
  if (!read_address(header.first[column])) return std::nullopt;
  return recognition(*format, std::move(layout), candidate, true);
}

Result<Recognition> Recogniser::table(const Candidate& candidate) const {
  const Header& header = candidate.header;
  const Format* format = format_of(header, false);
  if (format == nullptr) {
    std::string lacks;
    for (const Format& known : known_formats()) {
      if (known.name != options_.format || known.headerless) continue;
      lacks = fmt::format(": its header lacks {}", fmt::join(missing(known, header), ", "));
    }
    return fail(Errc::invalid, fmt::format("this is no {}{}", options_.format, lacks));
  }
  if (auto there = check_map(options_, header); !there) return std::unexpected(there.error());
  Layout layout = lay_out(*format, header, options_);
  const auto address = std::ranges::find(layout.plans, Use::address, &Plan::use);
  if (address == layout.plans.end()) return std::unexpected(no_address_column(header));
  const auto column = static_cast<std::size_t>(address - layout.plans.begin());
  if (read_address(header.names[column])) return std::unexpected(no_address_column(header));
  return recognition(*format, std::move(layout), candidate, false);
}

Recognition Recogniser::recognition(const Format& format, Layout layout, const Candidate& candidate,
                                    bool headerless) const {
  Recognition known;
  known.kind = Recognition::Kind::table;
  known.format = &format;
  known.file.format = format.name;
  known.file.source = format.source;
  known.file.status = format.status;
  known.file.delimiter = candidate.delimiter == one_column ? '\0' : candidate.delimiter;
  if (!headerless) known.file.unused_columns = layout.unused(candidate.header);
  known.style = {.delimiter = candidate.delimiter, .backslashes = format.backslashes};
  known.layout = std::move(layout);
  if (!headerless) known.header = candidate.record;
  return known;
}

}  // namespace postern::rows
