// Rows of a file: which format it has is decided by its first line; then each record is fields by
// name, and fields by name are a row, in one function for every format.
#include "base/config_values.h"
#include "base/text.h"
#include "store/csv.h"
#include "store/exchange.h"
#include "store/line_window.h"
#include "store/utf8.h"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace postern::store {
namespace {

enum class Field : std::uint8_t { address, status, stream, date, until, source, reason };
constexpr std::size_t field_count = 7;
constexpr std::size_t longest_record = max_line + 2;  // and its line end
using Fields = std::array<std::string, field_count>;

constexpr std::pair<std::string_view, Field> field_names[] = {
    {"address", Field::address}, {"email", Field::address}, {"status", Field::status},
    {"stream", Field::stream},   {"date", Field::date},     {"until", Field::until},
    {"source", Field::source},   {"reason", Field::reason},
};

std::optional<Field> field_named(std::string_view name) {
  for (const auto& [known, field] : field_names) {
    if (equal_nocase(known, trim(name))) return field;
  }
  return std::nullopt;
}

std::string& at(Fields& fields, Field field) { return fields[static_cast<std::size_t>(field)]; }

Result<std::optional<Time>> optional_time(std::string_view text) {
  if (text.empty()) return std::nullopt;
  auto time = parse_time(text);
  if (!time) return std::unexpected(time.error());
  return *time;
}

Result<Row> row_of(Fields& fields) {
  const auto trimmed = [&](Field field) { return trim(at(fields, field)); };
  Row row;
  if (trimmed(Field::address).empty()) return fail(Errc::invalid, "no address");
  auto address = policy::parse_contact(trimmed(Field::address), true);
  if (!address) return std::unexpected(address.error());
  row.address = std::move(*address);
  if (const auto status = trimmed(Field::status); !status.empty()) {
    row.status = parse_row_status(status);
    if (!row.status) {
      return fail(Errc::invalid, fmt::format("unknown status \"{}\": unsubscribed, bounced, "
                                             "complained, blocked or subscribed",
                                             printable(status, 40)));
    }
  }
  row.scope = trimmed(Field::stream);
  if (!row.scope.empty() && row.scope != "all") {
    if (auto wrong = config::check_stream_name(row.scope); !wrong.empty()) {
      return fail(Errc::invalid, "stream: " + wrong);
    }
  }
  auto date = optional_time(trimmed(Field::date));
  if (!date) return std::unexpected(date.error());
  auto until = optional_time(trimmed(Field::until));
  if (!until) return std::unexpected(until.error());
  row.date = *date;
  row.until = *until;
  row.source = trimmed(Field::source);
  row.note = std::move(at(fields, Field::reason));
  return row;
}

Result<void> check_text(std::string_view text) {
  if (text.contains('\0')) return fail(Errc::invalid, "a NUL");
  if (!is_utf8(text)) return fail(Errc::invalid, "not UTF-8");
  return {};
}

Result<Fields> fields_of_json(std::string_view line) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(line, error);
  const boost::json::object* object = value.if_object();
  if (error || object == nullptr) return fail(Errc::invalid, "not a JSON object");
  Fields fields;
  for (const auto& [name, member] : *object) {
    const auto field = field_named(name);
    if (!field || member.is_null()) continue;
    const boost::json::string* text = member.if_string();
    if (text == nullptr) {
      return fail(Errc::invalid, fmt::format("\"{}\" is no string", std::string_view(name)));
    }
    if (std::string_view(*text).contains('\0')) return fail(Errc::invalid, "a NUL");
    at(fields, *field) = std::string_view(*text);
  }
  return fields;
}

}  // namespace

std::optional<RowStatus> parse_row_status(std::string_view text) {
  constexpr std::pair<std::string_view, RowStatus> names[] = {
      {"unsubscribed", RowStatus::unsubscribed}, {"unsubscribe", RowStatus::unsubscribed},
      {"bounced", RowStatus::bounced},           {"bounce", RowStatus::bounced},
      {"complained", RowStatus::complained},     {"complaint", RowStatus::complained},
      {"blocked", RowStatus::blocked},           {"subscribed", RowStatus::subscribed},
  };
  for (const auto& [name, status] : names) {
    if (equal_nocase(name, text)) return status;
  }
  return std::nullopt;
}

struct RowReader::Impl {
  explicit Impl(std::istream& in) : window(in) {}

  std::optional<Next> next() {
    for (std::string_view left = window.view(); !left.empty(); left = window.view()) {
      if (line == 0 && left.starts_with("\xEF\xBB\xBF")) {
        window.consume(3);
        left = window.view();
      }
      const auto end = left.find('\n');
      const std::string_view first = left.substr(0, end);
      if (first.size() > max_line) return over_long(first);
      if (trim(first).empty()) {
        pass(first.size() + (end != left.npos), 1);
        continue;
      }
      if (format == Format::unknown && recognise(left)) continue;
      return read(left, first, first.size() + (end != left.npos));
    }
    return std::nullopt;
  }

 private:
  enum class Format : std::uint8_t { unknown, csv, json, list };

  // True where the first line was a header, and is passed.
  bool recognise(std::string_view left) {
    format = trim(left).starts_with('{') ? Format::json : Format::list;
    if (format == Format::json) return false;
    auto record = read_csv(left.substr(0, longest_record), values);
    if (!record) return false;
    std::vector<std::optional<Field>> named;
    for (const std::string& value : values) {
      auto field = field_named(value);
      if (std::ranges::find(named, field) != named.end())
        field.reset();  // the first of a name counts
      named.push_back(field);
    }
    if (std::ranges::find(named, std::optional(Field::address)) == named.end()) return false;
    columns = std::move(named);
    format = Format::csv;
    pass(record->used, record->lines);
    return true;
  }

  Next read(std::string_view left, std::string_view first, std::size_t first_size) {
    Next next{line + 1, printable(first), fail(Errc::invalid, "")};
    if (format == Format::csv) {
      next.row = read_csv_row(left, first_size);
      return next;
    }
    Result<Fields> fields;
    if (auto good = check_text(first); !good) {
      fields = std::unexpected(good.error());
    } else if (format == Format::json) {
      fields = fields_of_json(trim(first));
    } else {
      at(*fields, Field::address) = first;
    }
    pass(first_size, 1);
    next.row = fields ? row_of(*fields) : std::unexpected(fields.error());
    return next;
  }

  // Where a record is broken its first line alone is rejected, and the next line is a new chance: a
  // quote that is never closed does not swallow the file.
  Result<Row> read_csv_row(std::string_view left, std::size_t first_size) {
    const std::string_view text = left.substr(0, longest_record);
    auto record = read_csv(text, values);
    if (record && record->used == text.size() && text.size() < left.size() &&
        !text.ends_with('\n')) {
      record = too_long();
    }
    if (!record) {
      pass(first_size, 1);
      return std::unexpected(record.error());
    }
    const auto good = check_text(text.substr(0, record->used));
    pass(record->used, record->lines);
    if (!good) return std::unexpected(good.error());
    if (values.size() != columns.size()) {
      return fail(Errc::invalid,
                  fmt::format("{} fields where the header has {}", values.size(), columns.size()));
    }
    Fields fields;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i]) at(fields, *columns[i]) = std::move(values[i]);
    }
    return row_of(fields);
  }

  Next over_long(std::string_view first) {
    Next next{line + 1, printable(first), too_long()};
    window.skip_line();
    ++line;
    return next;
  }

  static std::unexpected<Error> too_long() {
    return fail(Errc::invalid, fmt::format("longer than {} KiB", max_line / 1024));
  }

  void pass(std::size_t octets, std::size_t lines) {
    window.consume(octets);
    line += lines;
  }

  LineWindow window;
  std::uint64_t line = 0;  // lines that are behind us
  Format format = Format::unknown;
  std::vector<std::optional<Field>> columns;
  std::vector<std::string> values;
};

RowReader::RowReader(std::istream& in) : impl_(std::make_unique<Impl>(in)) {}
RowReader::~RowReader() = default;
std::optional<RowReader::Next> RowReader::next() { return impl_->next(); }

}  // namespace postern::store
