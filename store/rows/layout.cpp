#include "store/rows/layout.h"

#include "base/text.h"
#include "store/rows/address_field.h"
#include "store/rows/date.h"
#include "store/rows/names.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postern::rows {
namespace {

constexpr std::size_t shown_columns = 20;

struct Meaning {
  std::string_view name;
  Use use;
};
// What --map may say. A stream there is somebody else's list.
constexpr Meaning meanings[] = {
    {"address", Use::address}, {"date", Use::date},     {"status", Use::status},
    {"stream", Use::tags},     {"reason", Use::reason}, {"until", Use::until},
};

// A --map column: its name, else its number.
std::optional<std::size_t> mapped_index(const Header& header, std::string_view column) {
  if (const auto index = header.find(column)) return index;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(column.data(), column.data() + column.size(), number);
  const bool whole = error == std::errc{} && end == column.data() + column.size();
  if (!whole || number == 0 || number > header.names.size()) return std::nullopt;
  return number - 1;
}

std::string quoted_names(const std::vector<std::string>& names) {
  std::vector<std::string> shown;
  for (const std::string& name : names) {
    if (shown.size() == shown_columns) break;
    shown.push_back('"' + printable(trim(name), 40) + '"');
  }
  std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (names.size() > shown.size()) text += fmt::format(" and {} more", names.size() - shown.size());
  return text;
}

bool is_code(std::string_view text) {
  text = trim(text);
  return text.empty() || (text.front() >= '2' && text.front() <= '5' &&
                          text.find_first_not_of("0123456789.") == text.npos);
}

bool is_epoch(std::string_view text) {
  text = trim(text);
  return text.size() >= 9 && text.find_first_not_of("0123456789.") == text.npos &&
         read_date(text, DateOrder::ask).kind == DateReading::Kind::time;
}

// What the first row has in the first column that the format uses so.
std::optional<std::string_view> first_value(const Format& format, const Header& header, Use use) {
  if (header.first.size() != header.names.size()) return std::nullopt;
  for (const Column& column : format.columns) {
    if (column.use != use) continue;
    if (const auto index = header.find_plain(column.name)) return header.first[*index];
  }
  return std::nullopt;
}

// A file without rows is what its header says.
bool first_fits(const Format& format, const Header& header) {
  const auto holds = [&](Use use, auto condition) {
    const auto value = first_value(format, header, use);
    return !value || condition(*value);
  };
  switch (format.first) {
    case First::epoch:
      return holds(Use::date, is_epoch);
    case First::code:
      return holds(Use::code, is_code);
    case First::value:
      return holds(Use::status, [&](std::string_view text) {
        return std::ranges::find(format.values, plain_name(text), &Value::value) !=
               format.values.end();
      });
    case First::any:
      break;
  }
  return true;
}

bool all_known(const Format& format, const Header& header) {
  return std::ranges::all_of(header.plain, [&](const std::string& name) {
    return std::ranges::find(format.columns, name, &Column::name) != format.columns.end();
  });
}

void plan_columns(Layout& layout, const Header& header, const Format& format) {
  std::size_t rank = 0;
  for (const Column& column : format.columns) {
    ++rank;
    const auto index = header.find_plain(column.name);
    if (!index || layout.plans[*index].use != Use::none) continue;
    layout.plans[*index] = {column.use, column.status, std::string(column.label), rank};
    for (std::size_t i = *index + 1; i < header.plain.size(); ++i) {
      if (header.plain[i] == column.name) layout.plans[i].use = Use::known;
    }
  }
}

// The format knows what it needs; its address may be called as it is anywhere, in the account's
// language.
void plan_address(Layout& layout, const Header& header) {
  if (layout.has(Use::address)) return;
  for (const Column& column : generic_format().columns) {
    if (column.use != Use::address) continue;
    const auto index = header.find_plain(column.name);
    if (!index || layout.plans[*index].use != Use::none) continue;
    layout.plans[*index] = {Use::address, std::nullopt, {}, 0};
    return;
  }
}

void plan_mapped(Layout& layout, const Header& header, const ReadOptions& options) {
  for (const auto& [meaning, unused] : options.columns) {
    const auto* known = std::ranges::find(meanings, meaning, &Meaning::name);
    if (known == std::end(meanings)) continue;
    for (Plan& plan : layout.plans) {
      const bool same =
          plan.use == known->use ||
          (known->use == Use::tags && (plan.use == Use::stream || plan.use == Use::list));
      if (same) plan = {Use::known, std::nullopt, {}, 0};
    }
  }
  for (const auto& [meaning, column] : options.columns) {
    const auto* known = std::ranges::find(meanings, meaning, &Meaning::name);
    const auto index = mapped_index(header, column);
    if (known == std::end(meanings) || !index) continue;
    layout.plans[*index] = {known->use, std::nullopt, {}, 0};
  }
}

}  // namespace

Header::Header(std::vector<std::string> columns) : names(std::move(columns)) {
  for (const std::string& name : names) plain.push_back(plain_name(name));
}

std::optional<std::size_t> Header::find_plain(std::string_view name) const {
  const auto found = std::ranges::find(plain, name);
  if (found == plain.end()) return std::nullopt;
  return static_cast<std::size_t>(found - plain.begin());
}

// A name of punctuation alone has nothing plain.
std::optional<std::size_t> Header::find(std::string_view name) const {
  const std::string plain_text = plain_name(name);
  if (!plain_text.empty()) return find_plain(plain_text);
  const auto found = std::ranges::find(names, trim(name), trim);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

std::vector<std::string> numbered(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i <= count; ++i) names.push_back(std::to_string(i));
  return names;
}

bool Layout::has(Use use) const { return std::ranges::find(plans, use, &Plan::use) != plans.end(); }

std::vector<std::string> Layout::unused(const Header& header) const {
  std::vector<std::string> unused;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].use == Use::none && !trim(header.names[i]).empty()) {
      unused.push_back(header.names[i]);
    }
  }
  return unused;
}

std::vector<std::string_view> missing(const Format& format, const Header& header) {
  std::vector<std::string_view> lacking;
  for (const std::string_view name : format.needs) {
    if (!header.find(name)) lacking.push_back(name);
  }
  const bool one =
      format.needs_one.empty() || std::ranges::any_of(format.needs_one, [&](std::string_view name) {
        return header.find(name).has_value();
      });
  if (!one) lacking.push_back(format.needs_one.front());
  return lacking;
}

bool fits(const Format& format, const Header& header, bool by_name) {
  if (!missing(format, header).empty()) return false;
  if (by_name) return true;
  return !format.only_by_name && (format.width == 0 || format.width == header.names.size()) &&
         (!format.closed || all_known(format, header)) && first_fits(format, header);
}

const Format* recognise_format(const Header& header, bool headerless) {
  for (const Format& format : known_formats()) {
    if (format.headerless == headerless && fits(format, header, false)) return &format;
  }
  return nullptr;
}

Result<void> check_map(const ReadOptions& options, const Header& header) {
  for (const auto& [meaning, column] : options.columns) {
    if (std::ranges::find(meanings, meaning, &Meaning::name) == std::end(meanings)) {
      return fail(Errc::invalid,
                  fmt::format("--map: '{}' is none of address, date, status, stream, reason, until",
                              printable(meaning, 40)));
    }
    if (!mapped_index(header, column)) {
      return fail(Errc::invalid,
                  fmt::format("--map {}={}: there is no such column; the file has {}", meaning,
                              printable(column, 60), quoted_names(header.names)));
    }
  }
  return {};
}

Layout lay_out(const Format& format, const Header& header, const ReadOptions& options) {
  Layout layout{.format = &format, .plans = std::vector<Plan>(header.names.size())};
  plan_columns(layout, header, format);
  plan_address(layout, header);
  if (format.others != Use::none) {
    for (std::size_t i = 0; i < header.names.size(); ++i) {
      if (layout.plans[i].use != Use::none || trim(header.names[i]).empty()) continue;
      layout.plans[i] = {format.others, Status::unsubscribed, stream_for(header.names[i]),
                         format.columns.size() + 1};
    }
  }
  plan_mapped(layout, header, options);
  layout.tells_all = std::ranges::any_of(layout.plans, [](const Plan& plan) {
    return (plan.use == Use::flag || plan.use == Use::list_flag) &&
           (plan.status == Status::unsubscribed || plan.status == Status::subscribed);
  });
  return layout;
}

Error no_address_column(const Header& header) {
  const bool has_names = std::ranges::none_of(
      header.names, [](const std::string& name) { return read_address(name).has_value(); });
  const auto& row = has_names ? header.first : header.names;
  std::size_t address = 0;
  std::optional<std::size_t> date;
  std::optional<std::size_t> status;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (read_address(row[i])) address = i;
    const auto kind = read_date(row[i], DateOrder::ask).kind;
    const bool is_date = kind == DateReading::Kind::time || kind == DateReading::Kind::ambiguous;
    if (!date && is_date) date = i;
    if (!status && parse_status(row[i])) status = i;
  }
  const auto shown = [&](std::size_t i) {
    return has_names ? printable(trim(header.names[i]), 40) : std::to_string(i + 1);
  };
  std::string example = "address=" + shown(address);
  if (date && *date != address) example += ",date=" + shown(*date);
  if (status && *status != address) example += ",status=" + shown(*status);
  if (!has_names) {
    return {Errc::invalid,
            fmt::format("the first line is a row, not the names of columns; say by their numbers "
                        "which is what, with --map '{}' or the like",
                        example)};
  }
  return {Errc::invalid,
          fmt::format("no column is known to be the address: the file has {}; say which is what, "
                      "with --map '{}' or the like",
                      quoted_names(header.names), example)};
}

}  // namespace postern::rows
